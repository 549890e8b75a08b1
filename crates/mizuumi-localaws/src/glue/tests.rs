//! The catalog's behaviour, without a server.

use serde_json::json;

use super::*;

struct Local {
    glue: Glue,
    limits: Limits,
}

impl Local {
    fn new() -> Self {
        let local = Self { glue: Glue::default(), limits: Limits::default() };
        local.ok("CreateDatabase", &json!({"DatabaseInput": {"Name": "Db"}}));
        local
    }

    fn call(&self, operation: &str, input: &Value) -> Result<Value, ApiError> {
        let input = input.as_object().unwrap();
        let mut call = Call::new(input, "111122223333", "eu-west-1", "arn:me", 1_700_000_000, self.limits);
        self.glue.call(operation, &mut call).map(|text| serde_json::from_str(&text).unwrap())
    }

    fn ok(&self, operation: &str, input: &Value) -> Value {
        self.call(operation, input).unwrap()
    }

    fn code(&self, operation: &str, input: &Value) -> String {
        self.call(operation, input).unwrap_err().code
    }

    fn table(&self, name: &str, keys: &[(&str, &str)]) {
        let keys: Vec<Value> = keys.iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect();
        self.ok(
            "CreateTable",
            &json!({"DatabaseName": "db", "TableInput": {
                "Name": name, "PartitionKeys": keys, "TableType": "EXTERNAL_TABLE",
                "StorageDescriptor": {"Columns": [{"Name": "userId", "Type": "struct<Ab:int>"}]},
                "Parameters": {"mizuumi.owner": "me"}}}),
        );
    }

    fn get_table(&self, name: &str) -> Value {
        self.ok("GetTable", &json!({"DatabaseName": "db", "Name": name}))["Table"].clone()
    }

    fn all(&self, operation: &str, list: &str, input: &Value) -> Vec<Vec<Value>> {
        let mut input = input.clone();
        let mut pages = Vec::new();
        loop {
            let answer = self.ok(operation, &input);
            pages.push(answer[list].as_array().unwrap().clone());
            match answer.get("NextToken") {
                Some(token) => input["NextToken"] = token.clone(),
                None => return pages,
            }
        }
    }
}

fn names(page: &[Value]) -> Vec<&str> {
    page.iter().map(|table| table["Name"].as_str().unwrap()).collect()
}

#[test]
fn names_are_folded_to_lower_case() {
    let local = Local::new();
    local.table("Orders", &[("Day", "string")]);
    let table = local.get_table("ORDERS");
    assert_eq!(table["Name"], "orders");
    assert_eq!(table["DatabaseName"], "db");
    assert_eq!(table["StorageDescriptor"]["Columns"][0], json!({"Name": "userid", "Type": "struct<Ab:int>"}));
    assert_eq!(table["PartitionKeys"][0]["Name"], "day");
    assert_eq!(
        local.code("CreateDatabase", &json!({"DatabaseInput": {"Name": "DB"}})),
        "AlreadyExistsException"
    );
}

#[test]
fn get_tables_gives_pages_of_one_hundred() {
    let local = Local::new();
    for number in 0..250 {
        local.table(&format!("t{number:03}"), &[]);
    }
    let pages = local.all("GetTables", "TableList", &json!({"DatabaseName": "db"}));
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(pages[2][49]["Name"], "t249");
    let pages = local.all("GetTables", "TableList", &json!({"DatabaseName": "db", "MaxResults": 50}));
    assert_eq!(pages.len(), 5, "no empty page after the last full one");
    let some =
        json!({"DatabaseName": "db", "Expression": "t00.*", "AttributesToGet": ["NAME", "TABLE_TYPE"]});
    let page = local.ok("GetTables", &some);
    assert_eq!(page["TableList"].as_array().unwrap().len(), 10);
    assert_eq!(page["TableList"][0], json!({"Name": "t000", "TableType": "EXTERNAL_TABLE"}));
    for (bad, code) in [
        (json!({"DatabaseName": "db", "MaxResults": 101}), "ValidationException"),
        (json!({"DatabaseName": "db", "NextToken": "nonsense"}), "InvalidInputException"),
        (json!({"DatabaseName": "db", "AttributesToGet": ["TABLE_TYPE"]}), "InvalidInputException"),
        (json!({"DatabaseName": "nosuch"}), "EntityNotFoundException"),
    ] {
        assert_eq!(local.code("GetTables", &bad), code, "{bad}");
    }
}

#[test]
fn a_page_starts_after_the_last_one_even_if_that_table_is_gone() {
    let local = Local::new();
    for name in ["a", "b", "c"] {
        local.table(name, &[]);
    }
    let first = local.ok("GetTables", &json!({"DatabaseName": "db", "MaxResults": 1}));
    local.ok("DeleteTable", &json!({"DatabaseName": "db", "Name": "a"}));
    let input = json!({"DatabaseName": "db", "NextToken": first["NextToken"]});
    assert_eq!(names(local.ok("GetTables", &input)["TableList"].as_array().unwrap()), ["b", "c"]);
}

#[test]
fn an_update_replaces_the_definition_and_needs_the_current_version() {
    let local = Local::new();
    local.table("t", &[]);
    assert_eq!(local.get_table("t")["VersionId"], "0");
    let update = |version: Option<&str>, skip: bool| {
        let mut input = json!({"DatabaseName": "db", "SkipArchive": skip,
            "TableInput": {"Name": "T", "Description": "new"}});
        if let Some(version) = version {
            input["VersionId"] = json!(version);
        }
        local.call("UpdateTable", &input)
    };
    update(Some("0"), false).unwrap();
    let table = local.get_table("t");
    assert_eq!((&table["VersionId"], &table["Description"]), (&json!("1"), &json!("new")));
    assert!(table.get("StorageDescriptor").is_none() && table.get("Parameters").is_none());
    assert_eq!(table["CreatedBy"], "arn:me");
    let stale = update(Some("0"), false).unwrap_err();
    assert_eq!(stale.code, "ConcurrentModificationException");
    assert_eq!(stale.message, "Update table failed due to concurrent modifications.");
    update(Some("1"), true).unwrap();
    update(None, false).unwrap();
    assert_eq!(local.get_table("t")["VersionId"], "3");
    let versions = local.all(
        "GetTableVersions",
        "TableVersions",
        &json!({"DatabaseName": "db", "TableName": "t", "MaxResults": 2}),
    );
    let ids: Vec<_> = versions.concat().iter().map(|version| version["VersionId"].clone()).collect();
    assert_eq!(ids, ["3", "2", "0"], "version 1 was not archived");
    let version = |id: &str| json!({"DatabaseName": "db", "TableName": "t", "VersionId": id});
    let first = local.ok("GetTableVersion", &version("0"));
    assert_eq!(first["TableVersion"]["Table"]["TableType"], "EXTERNAL_TABLE");
    local.ok("DeleteTableVersion", &version("0"));
    assert_eq!(local.code("GetTableVersion", &version("0")), "EntityNotFoundException");
    assert_eq!(local.code("DeleteTableVersion", &version("3")), "InvalidInputException");
}

#[test]
fn archived_versions_have_a_quota() {
    let mut local = Local::new();
    local.limits.versions_per_table = 2;
    local.table("t", &[]);
    let update = |skip: bool| {
        let input = json!({"DatabaseName": "db", "TableInput": {"Name": "t"}, "SkipArchive": skip});
        local.call("UpdateTable", &input)
    };
    update(false).unwrap();
    assert_eq!(update(false).unwrap_err().code, "ResourceNumberLimitExceededException");
    update(true).unwrap();
}

#[test]
fn partitions_are_checked_listed_and_deleted_with_their_table() {
    let local = Local::new();
    local.table("t", &[("year", "int"), ("city", "string")]);
    let at = |mut input: Value| {
        input["DatabaseName"] = json!("db");
        input["TableName"] = json!("T");
        input
    };
    let list: Vec<Value> = (0..100)
        .map(|n| json!({"Values": [n.to_string(), "x"], "StorageDescriptor": {"Columns": []}}))
        .collect();
    assert_eq!(
        local.ok("BatchCreatePartition", &at(json!({"PartitionInputList": list})))["Errors"],
        json!([])
    );
    let again =
        json!({"PartitionInputList": [{"Values": ["1", "x"]}, {"Values": ["1"]}, {"Values": ["1", "y"]}]});
    let errors = local.ok("BatchCreatePartition", &at(again))["Errors"].clone();
    assert_eq!(errors[0]["ErrorDetail"]["ErrorCode"], "AlreadyExistsException");
    assert_eq!(errors[1]["PartitionValues"], json!(["1"]));
    assert_eq!(errors[1]["ErrorDetail"]["ErrorCode"], "InvalidInputException");
    assert_eq!(errors.as_array().unwrap().len(), 2);

    let found = local.ok("GetPartitions", &at(json!({"Expression": "year > 9 and year < 12 or city = 'y'"})));
    let values: Vec<_> =
        found["Partitions"].as_array().unwrap().iter().map(|p| p["Values"].clone()).collect();
    assert_eq!(values, [json!(["1", "y"]), json!(["10", "x"]), json!(["11", "x"])]);

    let mut seen = 0;
    for number in 0..4 {
        let segment = json!({"SegmentNumber": number, "TotalSegments": 4});
        let input = at(json!({"Segment": segment, "MaxResults": 7, "ExcludeColumnSchema": true}));
        let part = local.all("GetPartitions", "Partitions", &input).concat();
        assert!(part.len() < 60, "segments share the partitions");
        assert!(part.iter().all(|partition| partition["StorageDescriptor"].get("Columns").is_none()));
        seen += part.len();
    }
    assert_eq!(seen, 101);

    let update = at(json!({"PartitionValueList": ["1", "x"], "PartitionInput": {"Values": ["1", "z"]}}));
    assert_eq!(local.code("UpdatePartition", &update), "InvalidInputException");
    let get = at(json!({"PartitionValues": ["1", "x"]}));
    local.ok("DeletePartition", &get);
    assert_eq!(local.code("GetPartition", &get), "EntityNotFoundException");
    let keys = json!([{"Values": ["1", "x"]}, {"Values": ["2", "x"]}]);
    let found = local.ok("BatchGetPartition", &at(json!({"PartitionsToGet": keys})));
    assert_eq!(found["Partitions"].as_array().unwrap().len(), 1);

    let name = json!({"DatabaseName": "db", "Name": "t"});
    local.ok("DeleteTable", &name);
    local.table("t", &[("year", "int"), ("city", "string")]);
    assert_eq!(local.ok("GetPartitions", &at(json!({})))["Partitions"], json!([]));
}

#[test]
fn batches_have_the_limits_of_the_model() {
    let local = Local::new();
    local.table("t", &[("k", "string")]);
    for (operation, member, most) in [
        ("BatchCreatePartition", "PartitionInputList", 100),
        ("BatchUpdatePartition", "Entries", 100),
        ("BatchDeletePartition", "PartitionsToDelete", 25),
        ("BatchGetPartition", "PartitionsToGet", 1000),
        ("BatchDeleteTable", "TablesToDelete", 100),
        ("BatchDeleteTableVersion", "VersionIds", 100),
    ] {
        let mut input = json!({"DatabaseName": "db", "TableName": "t"});
        input[member] = json!(vec![json!({}); most + 1]);
        assert_eq!(local.code(operation, &input), "ValidationException", "{operation}");
    }
}

#[test]
fn names_and_catalogs_are_checked() {
    let local = Local::new();
    let name = |name: &str| json!({"DatabaseInput": {"Name": name}});
    assert_eq!(local.code("CreateDatabase", &name("")), "ValidationException");
    assert_eq!(local.code("CreateDatabase", &name("a\nb")), "ValidationException");
    assert_eq!(local.code("CreateDatabase", &name(&"a".repeat(256))), "ValidationException");
    let catalog = |id: &str| json!({"Name": "db", "CatalogId": id});
    assert_eq!(local.ok("GetDatabase", &catalog("111122223333"))["Database"]["Name"], "db");
    assert_eq!(local.code("GetDatabase", &catalog("444455556666")), "AccessDeniedException");
    assert_eq!(local.code("NoSuchThing", &json!({})), "UnknownOperationException");
}

#[test]
fn what_a_client_sends_is_kept() {
    let local = Local::new();
    let given = json!({"Name": "t", "Retention": 3, "SomethingNew": {"a": [1, 2.5, true]}, "Owner": null});
    local.ok("CreateTable", &json!({"DatabaseName": "db", "TableInput": given}));
    let table = local.get_table("t");
    assert_eq!(table["SomethingNew"], given["SomethingNew"]);
    assert_eq!((&table["Retention"], table.get("Owner")), (&json!(3), None));
    assert_eq!(table["CreateTime"], json!(1_700_000_000.0));
}

#[test]
fn partitions_lag_too() {
    let local = Local::new();
    local.table("t", &[("day", "string")]);
    let at = |seconds: i64, lag_seconds: i64, operation: &str, mut input: Value| {
        input["DatabaseName"] = json!("db");
        input["TableName"] = json!("t");
        let input = input.as_object().unwrap();
        let mut call = Call::new(input, "111122223333", "eu-west-1", "arn:me", seconds, local.limits);
        call.lag_millis = lag_seconds * 1000;
        local.glue.call(operation, &mut call).unwrap()
    };
    let now = 1_700_000_000;
    at(now, 0, "CreatePartition", json!({"PartitionInput": {"Values": ["1"]}}));
    at(now + 5, 0, "CreatePartition", json!({"PartitionInput": {"Values": ["2"]}}));
    at(now + 5, 0, "DeletePartition", json!({"PartitionValues": ["1"]}));
    let listed = |seconds, lag, input: Value| {
        let answer: Value = serde_json::from_str(&at(seconds, lag, "GetPartitions", input)).unwrap();
        let values = answer["Partitions"].as_array().unwrap().iter().map(|p| p["Values"][0].clone());
        values.collect::<Vec<_>>()
    };
    assert_eq!(listed(now + 6, 0, json!({})), ["2"]);
    assert_eq!(listed(now + 6, 2, json!({})), ["1"]);
    assert_eq!(listed(now + 6, 2, json!({"Expression": "day > '1'"})), Vec::<Value>::new());
    assert_eq!(listed(now + 6, 60, json!({})), Vec::<Value>::new());
}

#[test]
fn what_is_asked_of_a_link_is_asked_of_its_target() {
    let local = Local::new();
    local.table("target", &[]);
    let link = |name: &str, to: Value| json!({"DatabaseName": "db", "TableInput": {"Name": name, "TargetTable": to}});
    local.ok("CreateTable", &link("link", json!({"DatabaseName": "Db", "Name": "Target"})));
    local.ok(
        "CreateTable",
        &link("away", json!({"CatalogId": "999988887777", "DatabaseName": "db", "Name": "target"})),
    );
    let seen = local.get_table("link");
    assert_eq!((&seen["Name"], &seen["Parameters"]["mizuumi.owner"]), (&json!("link"), &json!("me")));
    assert_eq!(seen["TargetTable"]["Name"], "Target");
    assert_eq!(local.get_table("away").get("Parameters"), None, "another account's is not followed");
    let listed = local.all("GetTables", "TableList", &json!({"DatabaseName": "db"})).concat();
    assert_eq!(listed[1], seen);

    let changed = json!({"DatabaseName": "db", "TableInput": {"Name": "link", "Description": "changed"}});
    local.ok("UpdateTable", &changed);
    assert_eq!(
        (local.get_table("target")["Description"].as_str(), local.get_table("target")["Name"].as_str()),
        (Some("changed"), Some("target"))
    );
    assert_eq!(local.get_table("link")["TargetTable"]["Name"], "Target", "it still is a link");
    local.ok("DeleteTable", &json!({"DatabaseName": "db", "Name": "link"}));
    assert_eq!(
        local.code("GetTable", &json!({"DatabaseName": "db", "Name": "link"})),
        "EntityNotFoundException"
    );
    assert_eq!(local.get_table("target")["Description"], "changed");
}

#[test]
fn statistics_of_columns_are_none_and_go_without_complaint() {
    let local = Local::new();
    local.table("orders", &[("day", "string")]);
    let of = |table: &str| json!({"DatabaseName": "db", "TableName": table, "ColumnName": "userid", "ColumnNames": ["userid"]});
    let none = json!({"ColumnStatisticsList": [], "Errors": []});
    assert_eq!(local.ok("GetColumnStatisticsForTable", &of("orders")), none);
    local.ok("DeleteColumnStatisticsForTable", &of("orders"));
    for operation in ["GetColumnStatisticsForTable", "DeleteColumnStatisticsForTable"] {
        assert_eq!(local.code(operation, &of("nosuch")), "EntityNotFoundException");
    }
    let mut day = of("orders");
    day["PartitionValues"] = json!(["1"]);
    for operation in ["GetColumnStatisticsForPartition", "DeleteColumnStatisticsForPartition"] {
        assert_eq!(local.code(operation, &day), "EntityNotFoundException");
    }
    local.ok(
        "CreatePartition",
        &json!({"DatabaseName": "db", "TableName": "orders", "PartitionInput": {"Values": ["1"]}}),
    );
    assert_eq!(local.ok("GetColumnStatisticsForPartition", &day), none);
    local.ok("DeleteColumnStatisticsForPartition", &day);
}
