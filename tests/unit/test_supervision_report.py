"""The supervision report: figures by period, rule, city and enterprise, and its documents."""

from __future__ import annotations

from datetime import date

import pytest

from registry.documents.markdown import render_markdown
from registry.errors import InvalidRequest
from registry.supervision.book import AlertBook
from registry.supervision.events import AlertStep
from registry.supervision.report import Period, report_document, supervision_report
from tests.lib.alerts import AT, alerting_home, event, id_of

DAY = "2026-05-29"


@pytest.fixture
def alerts(tmp_path):
    late = event("a3", after_s=86_400 * 20)
    with AlertBook.open(alerting_home(tmp_path, late)) as book:
        book.step(AlertStep(alert_id=id_of("a1"), kind="acknowledge", by="周敏"), at=AT)
        book.step(AlertStep(alert_id=id_of("a1"), kind="handle", by="周敏", code="violation_confirmed"), at=AT)
        book.step(AlertStep(alert_id=id_of("a2"), kind="dismiss", by="周敏", code="drift"), at=AT)
        yield book.alerts()


def test_a_day_and_a_month():
    assert Period.of(DAY) == Period(date(2026, 5, 29), date(2026, 5, 29))
    assert Period.of("2026-02") == Period(date(2026, 2, 1), date(2026, 2, 28))
    for wrong in ("2026", "2026-13", "yesterday", "2026-02-30"):
        with pytest.raises(InvalidRequest):
            Period.of(wrong)


def test_figures_of_a_day(alerts):
    made = supervision_report(alerts, Period.of(DAY), about="江西省", city_of={"enterprise-1": "360100"})
    total = made["total"]
    assert (total["raised"], total["vehicles"], total["violations"], total["dismissed"], total["red"]) == (2, 2, 1, 1, 1)
    assert (total["dismissed_share"], total["acknowledge_median_s"], total["waiting"]) == (0.5, 0.0, 0)
    assert [(row["city"], row["raised"]) for row in made["cities"]] == [("", 1), ("360100", 1)]
    assert sum(row["raised"] for row in made["rules"]) == 2
    assert (made["outcomes"], made["dismissals"]) == ({"violation_confirmed": 1}, {"drift": 1})


def test_one_enterprise_and_another_month(alerts):
    own = supervision_report(alerts, Period.of(DAY), about="e", enterprises=frozenset({"enterprise-2"}))
    assert (own["total"]["raised"], own["total"]["violations"]) == (1, 0)
    later = supervision_report(alerts, Period.of("2026-06"), about="e")
    assert (later["total"]["raised"], later["total"]["dismissed_share"]) == (1, None)


@pytest.mark.parametrize(("lang", "title"), [("zh", "重点营运车辆安全监管报告"), ("en", "Supervision report")])
def test_a_document_in_both_languages(alerts, lang, title):
    made = supervision_report(alerts, Period.of(DAY), about="江西省", city_of={})
    text = render_markdown(report_document(made, lang))
    assert text.startswith(f"# {title}")
    assert "360100" not in text
    assert text == render_markdown(report_document(made, lang))
