"""The platform link of JT/T 809: frames and their checks, the messages that matter here, and the server of the upper platform.

The field tables are those that working implementations show (`reference/domain.md` 1.2); the standard itself was not read.
"""
