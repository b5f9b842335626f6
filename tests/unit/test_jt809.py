"""JT/T 809: bytes written down by hand from the field tables, and whatever else may come over a link."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.live.intake import Intake
from features.live.journal import PositionJournal
from features.live.jt809.cipher import Cipher
from features.live.jt809.frames import Frame, FrameFault, FrameReader, crc16, encode, escaped, unescaped
from features.live.jt809.messages import (
    GNSS,
    REAL,
    UP_CONNECT_REQ,
    UP_EXG_MSG,
    UP_LINKTEST_REQ,
    BodyFault,
    Exchange,
    Login,
    exchange_body,
    exchange_of,
    gnss_of,
    login_body,
    login_of,
    records_of_gnss,
)
from features.live.jt809.server import PlatformLink
from features.live.positions import Refusal, impossible
from features.live.roster import roster_of
from features.pseudonyms import pseudonym
from registry.errors import ConfigurationError

KEY = b"k" * 32
HEADER = "{length:08x} 00000085 {kind} 0134dbc0 010000 00 00000000"
"""MSG_LENGTH, MSG_SN 133, MSG_ID, MSG_GNSSCENTERID 20241344, version 1.0.0, not encrypted, no key."""
POSITION = (
    "00"  # not encrypted
    " 02 03 07ea"  # 2 March 2026
    " 10 27 0f"  # 16:39:15 in GMT+8
    " 06ea0b3a 01b5cf2e"  # 116.001594 E, 28.692270 N
    " 0041 0042 0001e240"  # 65 km/h, recorder 66 km/h, 123456 km
    " 005b 005d"  # heading 91, altitude 93 m: both have to be escaped
    " 000c0003"  # ignition, fixed, GPS and BeiDou
    " 00000004"  # fatigue alarm
)
PLATE = "b8d3 41 31 32 33 34 35" + " 00" * 13
"""赣A12345 in GBK, 21 bytes."""


def crc_bit_by_bit(content: bytes) -> int:
    crc = 0xFFFF
    for byte in content:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def on_the_wire(kind: str, body: str) -> bytes:
    content = bytes.fromhex(body)
    whole = bytes.fromhex(HEADER.format(length=26 + len(content), kind=kind)) + content
    whole += crc_bit_by_bit(whole).to_bytes(2, "big")
    escapes = {0x5B: b"\x5a\x01", 0x5A: b"\x5a\x02", 0x5D: b"\x5e\x01", 0x5E: b"\x5e\x02"}
    written = b"".join(escapes.get(byte, bytes([byte])) for byte in whole)
    return b"\x5b" + written + b"\x5d"


LOGIN = on_the_wire("1001", "0001e240 70617373776f7264 " + "00" * 32 + " 1f90")
REAL_ONE = on_the_wire("1200", f"{PLATE} 02 1202 00000024 {POSITION}")
TWO_AGAIN = on_the_wire("1200", f"{PLATE} 02 1203 00000049 02 {POSITION} {POSITION}")
LINK_TEST = on_the_wire("1005", "")


def test_the_checksum_is_that_of_its_name() -> None:
    assert crc16(b"123456789") == 0x29B1
    assert crc_bit_by_bit(b"123456789") == 0x29B1


def test_a_login_by_hand() -> None:
    (frame,) = FrameReader().feed(LOGIN)
    assert isinstance(frame, Frame)
    assert (frame.message_id, frame.serial, frame.centre) == (UP_CONNECT_REQ, 133, 20241344)
    assert login_of(frame.body) == Login(123456, b"password")
    assert login_body(Login(123456, b"password"))[:44] == frame.body[:44]


def test_a_position_by_hand() -> None:
    assert b"\x5a\x01" in REAL_ONE
    assert b"\x5e\x01" in REAL_ONE
    (frame,) = FrameReader().feed(REAL_ONE)
    assert isinstance(frame, Frame)
    exchange = exchange_of(frame.body)
    assert exchange is not None
    assert (exchange.plate_no, exchange.plate_color, exchange.resent, exchange.count) == ("赣A12345", "2", False, 1)
    (record,) = records_of_gnss(exchange.gnss, np.array([7], np.uint64), np.array([REAL]), 1)
    assert datetime.fromtimestamp(int(record["time_s"]), UTC) == datetime(2026, 3, 2, 8, 39, 15, tzinfo=UTC)
    assert (record["lon_e6"], record["lat_e6"]) == (0x06EA0B3A, 0x01B5CF2E)
    assert (record["speed"], record["recorder"], record["odometer_m"]) == (650, 660, 123_456_000)
    assert (record["heading_deg"], record["altitude_m"], record["status_bits"], record["alarm_bits"]) == (91, 93, 0xC0003, 4)
    assert encode(Frame(frame.message_id, frame.serial, frame.centre, frame.body)) == REAL_ONE
    assert exchange_body(exchange) == frame.body
    assert gnss_of(np.array([record])) == exchange.gnss


def test_re_sent_positions_by_hand() -> None:
    (frame,) = FrameReader().feed(TWO_AGAIN)
    assert isinstance(frame, Frame)
    exchange = exchange_of(frame.body)
    assert exchange is not None
    assert (exchange.resent, exchange.count) == (True, 2)
    assert exchange_body(exchange) == frame.body


@pytest.mark.parametrize("digits", ["1f02", "0000", "010d", "2002"])
def test_a_day_that_is_none_has_no_time(digits: str) -> None:
    gnss = bytearray(bytes.fromhex(POSITION))
    gnss[1], gnss[2] = bytes.fromhex(digits)
    records = records_of_gnss(bytes(gnss), np.array([7], np.uint64), np.array([REAL]), 2**50)
    assert impossible(records).tolist() == [Refusal.NO_TIME]


def test_an_encrypted_position_and_one_beyond_the_globe_have_no_place() -> None:
    gnss = bytearray(bytes.fromhex(POSITION) * 2)
    gnss[0], gnss[36 + 8] = 1, 0xFF
    records = records_of_gnss(bytes(gnss), np.array([7, 7], np.uint64), np.array([REAL, REAL]), 2**60)
    assert impossible(records).tolist() == [Refusal.NO_PLACE] * 2


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda wire: wire.replace(b"\x5a\x01", b"\x5a\x07"), FrameFault.ESCAPE),
        (lambda wire: wire[:30] + bytes([wire[30] ^ 1]) + wire[31:], FrameFault.CRC),
        (lambda wire: b"\x5b" + wire[5:], FrameFault.LENGTH),
        (lambda wire: b"\x5b\x01\x02\x5d", FrameFault.SHORT),
        (lambda wire: wire[1:], FrameFault.NO_FLAG),
        (lambda wire: b"\x5b" + b"\x01" * 70_000, FrameFault.TOO_LONG),
    ],
)
def test_damage_is_told_and_the_next_frame_is_read(damage: object, fault: FrameFault) -> None:
    reader = FrameReader()
    found = reader.feed(damage(REAL_ONE) + (b"" if fault is FrameFault.TOO_LONG else LINK_TEST))  # type: ignore[operator]
    assert found[0] == fault
    assert isinstance((found + reader.feed(LINK_TEST))[-1], Frame)


@given(st.binary())
def test_escapes_are_undone(content: bytes) -> None:
    written = escaped(content)
    assert b"\x5b" not in written
    assert b"\x5d" not in written
    assert unescaped(written) == content


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_frames_come_whole_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    sent = [Frame(0x1200, n, 5, body) for n, body in enumerate(bodies)]
    wire, reader, found, at = b"".join(map(encode, sent)), FrameReader(), [], 0
    while at < len(wire):
        step = cuts[at % len(cuts)]
        found += reader.feed(wire[at:at + step])
        at += step
    assert found == sent


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([REAL_ONE, LOGIN, TWO_AGAIN, b"\x5b", b"\x5d"]))))
def test_whatever_comes_is_a_frame_or_a_typed_refusal(parts: list[bytes]) -> None:
    for met in FrameReader().feed(b"".join(parts)):
        assert isinstance(met, Frame | FrameFault)


@given(st.one_of(st.binary(max_size=140), st.builds(
    lambda at, value: exchange_body(Exchange("赣A12345", "2", True, bytes.fromhex(POSITION) * 2))[:at] + bytes([value]),
    st.integers(0, 130), st.integers(0, 255),
)))
def test_whatever_a_body_is_it_is_read_or_refused(body: bytes) -> None:
    for read in (exchange_of, login_of):
        try:
            found = read(body)
        except BodyFault:
            continue
        if isinstance(found, Exchange):
            records_of_gnss(found.gnss, np.zeros(found.count, np.uint64), np.full(found.count, REAL), 0)


@given(st.binary(min_size=GNSS.itemsize, max_size=GNSS.itemsize))
def test_any_36_bytes_are_a_record_or_refused_one(gnss: bytes) -> None:
    records = records_of_gnss(gnss, np.array([1], np.uint64), np.array([REAL]), 2**50)
    assert impossible(records)[0] in {*map(int, Refusal)}


def a_link(folder: Path) -> PlatformLink:
    roster = roster_of([("v1", pseudonym(KEY, "plate", "赣A12345", "2"), "e1", "8")], KEY)
    return PlatformLink(Intake(PositionJournal(folder), roster), roster, lambda: 1_900_000_000_000_000, 123456, "password")


def talk(link: PlatformLink, *parts: bytes) -> list[Frame | FrameFault]:
    async def once() -> bytes:
        link.intake.start()
        server = await link.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.write_eof()
        answered = await reader.read()
        writer.close()
        server.close()
        link.intake.stop()
        link.intake.journal.close()
        return answered

    return FrameReader().feed(asyncio.run(once()))


def test_positions_are_durable_when_the_link_test_is_answered(tmp_path: Path) -> None:
    link = a_link(tmp_path)
    answers = talk(link, LOGIN, REAL_ONE[:20], REAL_ONE[20:] + TWO_AGAIN, LINK_TEST)
    assert [hex(frame.message_id) for frame in answers if isinstance(frame, Frame)] == ["0x1002", "0x1006"]
    assert isinstance(answers[0], Frame)
    assert answers[0].body == bytes(5)
    journal = PositionJournal(tmp_path)
    assert sum(len(records) for _, records in journal.after(0)) == 3
    journal.close()


@pytest.mark.parametrize("password", [b"wrong", b""])
def test_who_does_not_know_the_password_is_told_and_sent_away(tmp_path: Path, password: bytes) -> None:
    wrong = encode(Frame(UP_CONNECT_REQ, 1, 2, login_body(Login(123456, password))))
    link = a_link(tmp_path)
    (answer,) = talk(link, wrong + REAL_ONE)
    assert isinstance(answer, Frame)
    assert answer.body[0] == 4
    assert link.counts["positions"] == 0


def test_who_has_not_logged_in_is_not_heard(tmp_path: Path) -> None:
    link = a_link(tmp_path)
    assert talk(link, encode(Frame(UP_LINKTEST_REQ, 1, 2, b"")) + encode(Frame(UP_EXG_MSG, 1, 2, b"x"))) == []
    assert link.counts["not_logged_in"] == 1


def test_noise_before_the_login_ends_the_link(tmp_path: Path) -> None:
    link = a_link(tmp_path)
    assert talk(link, b"GET / HTTP/1.1\r\n\r\n", LOGIN) == []
    assert link.counts["fault_no_flag"] >= 1


CIPHER = Cipher(10_000_000, 20_000_000, 30_000_000)


def test_an_encrypted_body_is_that_of_the_recurrence_and_begins_anew_in_each_frame() -> None:
    key, told = 256, []
    for _ in range(3):
        key = (20_000_000 * (key % 10_000_000) + 30_000_000) % 2**32
        told.append(key // 2**20 % 256)
    assert told[0] == 855_032_704 >> 20 & 0xFF == 0x2F
    hidden = bytes(one ^ other for one, other in zip(b"abc", told, strict=True))
    assert CIPHER.applied(b"abc", 256) == hidden
    frame = Frame(UP_EXG_MSG, 7, 9, b"abc")
    wire = encode(frame, cipher=CIPHER, key=256)
    assert hidden in (unescaped(wire[1:-1]) or b"")
    assert FrameReader(cipher=CIPHER).feed(wire + wire) == [frame, frame]
    assert FrameReader().feed(wire) == [FrameFault.ENCRYPTED]
    assert FrameReader(cipher=Cipher(1, 2, 3)).feed(wire) != [frame]


@given(st.binary(max_size=200), st.integers(0, 2**32 - 1), st.tuples(*[st.integers(0, 2**32 - 1)] * 3))
def test_what_was_encrypted_is_decrypted_with_any_numbers(body: bytes, key: int, numbers: tuple[int, int, int]) -> None:
    cipher = Cipher(*numbers)
    frame = Frame(UP_EXG_MSG, 1, 2, body)
    assert cipher.applied(cipher.applied(body, key), key) == body
    assert FrameReader(cipher=cipher).feed(encode(frame, cipher=cipher, key=key)) == [frame]


def test_the_numbers_of_a_cipher_are_read_and_not_shown() -> None:
    assert Cipher.from_text("10000000, 20000000,30000000") == CIPHER
    assert Cipher.from_text("") is None
    assert "20000000" not in repr(CIPHER)
    for wrong in ("1,2", "a,b,c", "1,2,4294967296", "1,2,-3"):
        with pytest.raises(ConfigurationError, match="no three numbers") as met:
            Cipher.from_text(wrong)
        assert wrong not in str(met.value)


def test_an_encrypted_login_is_understood_where_a_cipher_is_agreed(tmp_path: Path) -> None:
    opened = a_link(tmp_path)
    opened.cipher = CIPHER
    frame = next(one for one in FrameReader().feed(LOGIN) if isinstance(one, Frame))
    told = talk(opened, encode(frame, cipher=CIPHER, key=77))
    assert opened.counts["logins"] == 1
    assert told
