"""Data quality: measured per delivery at the door, kept over time, judged per resource."""
