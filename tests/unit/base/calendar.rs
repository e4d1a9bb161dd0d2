//! Dates, both ways.

use crate::base::calendar::{DAY, days, utc, utc_millis};

#[test]
fn a_date_and_its_number_of_days_agree() {
    for (seconds, date) in [
        (-1, "1969-12-31T23:59:59Z"),
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(utc(seconds), date);
    }
    for day in (-700_000..800_000).step_by(97) {
        let date = utc(day * DAY);
        let part = |from, to| date[from..to].parse().unwrap();
        assert_eq!(days(part(0, 4), part(5, 7), part(8, 10)), day, "{date}");
    }
    assert_eq!(utc_millis(-1), "1969-12-31T23:59:59.999Z");
}
