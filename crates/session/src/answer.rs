//! Answers of the proxy's own as result sets, in the formats the client asked for.

use report::Report;
use wire::frame::backend::Field;

use crate::api::{Answer, AnswerColumn};

/// Microseconds from 1970 to 2000, where PostgreSQL's timestamps begin.
const EPOCH_2000_US: i64 = 946_684_800_000_000;

/// The format for a column: none given = text, one = for all, else one a column.
fn format(formats: &[i16], column: usize) -> i16 {
    match formats {
        [] => 0,
        [one] => *one,
        many => many.get(column).copied().unwrap_or(0),
    }
}

/// RowDescription, or NoData where there are no columns.
pub(crate) fn describe(out: &mut Vec<u8>, columns: &[AnswerColumn], formats: &[i16]) {
    if columns.is_empty() {
        return wire::encode::no_data(out);
    }
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| Field {
            name: column.name.clone().into_bytes(),
            table: 0,
            column: 0,
            type_id: column.type_id,
            type_len: match column.type_id {
                16 => 1,
                23 => 4,
                20 | 1184 => 8,
                _ => -1,
            },
            type_modifier: -1,
            format: format(formats, index),
        })
        .collect();
    wire::encode::row_description(out, &fields);
}

/// Notices before the result.
pub(crate) fn notices(out: &mut Vec<u8>, answer: &Answer) {
    for notice in &answer.notices {
        wire::encode::notice(out, notice);
    }
}

/// The rows and the command tag.
///
/// # Errors
/// A value that does not have the form of its column's type.
pub(crate) fn rows(out: &mut Vec<u8>, answer: &Answer, formats: &[i16]) -> Result<(), Box<Report>> {
    for row in &answer.rows {
        if formats.iter().all(|format| *format == 0) {
            wire::encode::data_row_text(out, row);
            continue;
        }
        let mut body = u16::try_from(row.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes()
            .to_vec();
        for (index, (value, column)) in row.iter().zip(&answer.columns).enumerate() {
            let Some(text) = value else {
                body.extend_from_slice(&(-1_i32).to_be_bytes());
                continue;
            };
            let bytes = if format(formats, index) == 0 {
                text.clone().into_bytes()
            } else {
                binary(column.type_id, text).ok_or_else(|| {
                    Box::new(
                        Report::error(
                            "XX000",
                            format!("column \"{}\" cannot be sent in binary", column.name),
                        )
                        .hint("Ask for results in text format."),
                    )
                })?
            };
            body.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
            body.extend_from_slice(&bytes);
        }
        wire::encode::raw(out, b'D', &body);
    }
    wire::encode::command_complete(out, &answer.tag);
    Ok(())
}

/// PostgreSQL's binary form of a value given in its text form.
fn binary(type_id: u32, text: &str) -> Option<Vec<u8>> {
    Some(match type_id {
        16 => vec![u8::from(matches!(text, "t" | "true"))],
        20 => text.parse::<i64>().ok()?.to_be_bytes().to_vec(),
        23 => text.parse::<i32>().ok()?.to_be_bytes().to_vec(),
        3802 => [&[1], text.as_bytes()].concat(),
        1184 => timestamp(text)?.to_be_bytes().to_vec(),
        1009 => text_array(text)?,
        _ => text.as_bytes().to_vec(),
    })
}

/// Microseconds since 2000 for `2026-11-21 23:40:00.123456+00` (also with `T` and `Z`).
fn timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let zone = time.find(['+', '-', 'Z']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone);
    let mut clock = time.splitn(3, ':');
    let hours: i64 = clock.next()?.parse().ok()?;
    let minutes: i64 = clock.next()?.parse().ok()?;
    let (seconds, fraction) = clock
        .next()?
        .split_once('.')
        .unwrap_or((time.rsplit(':').next()?, ""));
    let fraction = format!("{fraction:0<6}");
    let micros: i64 = fraction.get(..6)?.parse().ok()?;
    let offset = match zone.strip_prefix('-') {
        Some(west) => -zone_seconds(west)?,
        None => zone_seconds(zone.trim_start_matches('+'))?,
    };
    let seconds = days(year, month, day) * 86_400
        + hours * 3600
        + minutes * 60
        + seconds.parse::<i64>().ok()?
        - offset;
    Some(seconds * 1_000_000 + micros - EPOCH_2000_US)
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z") {
        return Some(0);
    }
    let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "0"));
    Some(hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
}

/// Days since 1970, in the Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The elements of a one-dimensional text array in its text form, `None` for NULL elements.
pub(crate) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let mut letters = text
        .strip_prefix('{')?
        .strip_suffix('}')?
        .chars()
        .peekable();
    let mut all = Vec::new();
    if letters.peek().is_none() {
        return Some(all);
    }
    loop {
        let mut element = String::new();
        let quoted = letters.next_if_eq(&'"').is_some();
        let more = loop {
            match letters.next() {
                None if quoted => return None,
                None => break false,
                Some('"') if quoted => break letters.next_if_eq(&',').is_some(),
                Some(',') if !quoted => break true,
                Some('\\') => element.push(letters.next()?),
                Some(letter) => element.push(letter),
            }
        };
        all.push((quoted || !element.eq_ignore_ascii_case("null")).then_some(element));
        if !more {
            return Some(all);
        }
    }
}

fn text_array(text: &str) -> Option<Vec<u8>> {
    let elements = elements(text)?;
    let mut out = Vec::new();
    let dimensions = i32::from(!elements.is_empty());
    let nulls = i32::from(elements.iter().any(Option::is_none));
    for number in [dimensions, nulls, 25] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    if dimensions == 1 {
        out.extend_from_slice(&i32::try_from(elements.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&1_i32.to_be_bytes());
    }
    for element in elements {
        match element {
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(text) => {
                out.extend_from_slice(&i32::try_from(text.len()).ok()?.to_be_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_read() {
        let some = |texts: &[&str]| -> Option<Vec<Option<String>>> {
            Some(texts.iter().map(|t| Some((*t).to_owned())).collect())
        };
        assert_eq!(elements("{}"), some(&[]));
        assert_eq!(elements("{app,public}"), some(&["app", "public"]));
        assert_eq!(
            elements(r#"{"a b","c,\"d",""}"#),
            some(&["a b", "c,\"d", ""])
        );
        assert_eq!(elements("{NULL}"), Some(vec![None]));
        assert_eq!(elements(r#"{"NULL"}"#), some(&["NULL"]));
        assert_eq!(elements("nonsense"), None);
    }

    #[test]
    fn timestamps_become_microseconds() {
        assert_eq!(timestamp("2000-01-01 00:00:00+00"), Some(0));
        assert_eq!(timestamp("2000-01-02T00:00:00.5Z"), Some(86_400_500_000));
        assert_eq!(timestamp("2000-01-01 02:00:00+02"), Some(0));
        assert_eq!(timestamp("1999-12-31 18:30:00-05:30"), Some(0));
        assert_eq!(timestamp("soon"), None);
    }
}
