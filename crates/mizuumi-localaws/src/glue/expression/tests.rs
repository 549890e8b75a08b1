//! What the expression parser accepts, and what partitions it lets through.

use super::*;

fn keys() -> Vec<PartitionKey> {
    [("year", "int"), ("day", "date"), ("city", "string"), ("amount", "decimal(10,2)"), ("at", "timestamp")]
        .map(|(name, kind)| PartitionKey { name: name.to_owned(), kind: kind.to_owned() })
        .to_vec()
}

fn accepts(expression: &str) -> bool {
    let values = ["2024", "2024-03-09", "O'Hara_1", "-10.50", "2024-03-09 10:00:00.5"].map(str::to_owned);
    Filter::parse(expression, &keys()).unwrap().accepts(&values).unwrap()
}

#[test]
fn conditions_compare_by_the_type_of_the_key() {
    for (expression, expected) in [
        ("year = 2024", true),
        ("YEAR = '2024'", true),
        ("year > 999", true),
        ("year <> 2024", false),
        ("year != 2023", true),
        ("year < > 2023", true),
        ("year >= 2024 and year <= 2024", true),
        ("day > '2024-03-08'", true),
        ("day = DATE '2024-03-09'", true),
        ("day between '2024-01-01' and '2024-03-08'", false),
        ("city = 'O''Hara_1'", true),
        ("\"city\" in ('x', 'O''Hara_1')", true),
        ("city not in ('x', 'y')", true),
        ("city like 'O%\\_1'", false),
        ("city like 'O%_1'", true),
        ("city not like '%z%'", true),
        ("amount = -10.5", true),
        ("amount < -9", true),
        ("amount > -100", true),
        ("at < '2024-03-09 10:00:01'", true),
        ("at > TIMESTAMP '2024-03-09'", true),
        ("city is null", false),
        ("city is not null", true),
        ("not (year = 2023 or year = 2025)", true),
        ("year = 2023 or year = 2024 and city = 'no'", false),
        ("(year = 2023 or year = 2024) and not city = 'no'", true),
    ] {
        assert_eq!(accepts(expression), expected, "{expression}");
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    for expression in [
        "nosuch = 1",
        "year",
        "year =",
        "year = 2024 and",
        "(year = 2024",
        "day = 2024-03-09",
        "year = 'abc'",
        "year in ()",
        "1 = 1",
        "year ~ 3",
        "city = 'open",
        "year = 2024 year = 2024",
    ] {
        let error = Filter::parse(expression, &keys()).unwrap_err();
        assert_eq!(error.code, "InvalidInputException", "{expression}");
    }
    assert!(Filter::parse(&"(".repeat(2000), &keys()).is_err());
    let unsupported = [PartitionKey { name: "x".to_owned(), kind: "map<int,int>".to_owned() }];
    assert!(Filter::parse("x = 1", &unsupported).is_err());
}

#[test]
fn a_stored_value_of_the_wrong_type_is_an_invalid_state() {
    let filter = Filter::parse("year >= 0", &keys()).unwrap();
    let error = filter.accepts(&["null".to_owned()]).unwrap_err();
    assert_eq!(error.code, "InvalidStateException");
    assert_eq!(error.message, "For input string: \"null\" is not an integer.");
}
