//! One key of a ConfigMap read as settings: JSON as EMR writes it, XML as Hadoop does, or a line for each setting.

use std::collections::BTreeMap;

use mizuumi_api::emr_cluster::{Configuration, NestedConfiguration};
use roxmltree::{Document, Node};
use serde::Deserialize;

/// The settings of one key of a ConfigMap: the ending of its name says how they are written, the rest names the
/// classification.
///
/// # Errors
/// Why they cannot be read, with the line where that is known.
pub fn of_file(key: &str, text: &str) -> Result<Vec<Configuration>, String> {
    // A key of a ConfigMap is a file name by convention, and those are in small letters.
    if key.strip_suffix(".json").is_some() {
        return of_json(text);
    }
    let (classification, properties) = if let Some(classification) = key.strip_suffix(".xml") {
        (classification, of_xml(text)?)
    } else {
        let stem = key.strip_suffix(".conf").or_else(|| key.strip_suffix(".properties"));
        (stem.unwrap_or(key), of_lines(text)?)
    };
    let classification = classification.to_owned();
    Ok(vec![Configuration { classification, properties: Some(properties), configurations: None }])
}

fn of_lines(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut properties = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let end = line.find(|c: char| c == '=' || c.is_whitespace());
        let (name, value) = end.map(|end| line.split_at(end)).ok_or_else(|| {
            format!("line {}: must be a property and its value, such as 'spark.executor.memory 4g'; it is '{line}'", number + 1)
        })?;
        let value = value.trim_start();
        let value = value.strip_prefix('=').unwrap_or(value).trim_start();
        properties.insert(name.to_owned(), value.to_owned());
    }
    Ok(properties)
}

/// What is wrong at a place of a document, and what to do.
fn at(node: Node<'_, '_>, problem: &str) -> String {
    format!("line {}: {problem}", node.document().text_pos_at(node.range().start).row)
}

/// `<configuration><property><name/><value/></property>…</configuration>`, as Hadoop's own reader takes it
/// (`org.apache.hadoop.conf.Configuration`): names without the blanks around them, values as they stand, and of two
/// properties of a name the later one. Entities of one's own are refused, as are files that are to be included.
fn of_xml(text: &str) -> Result<BTreeMap<String, String>, String> {
    let document = Document::parse(text).map_err(|error| {
        format!(
            "must be XML as Hadoop writes it, a <configuration> with a <property> for each setting; it cannot be read: {error}"
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "configuration" {
        let problem = format!("the outermost must be <configuration>; it is <{}>", root.tag_name().name());
        return Err(at(root, &problem));
    }
    root.children().filter(Node::is_element).map(property).collect()
}

fn property(node: Node<'_, '_>) -> Result<(String, String), String> {
    if node.tag_name().name() != "property" {
        let problem = format!(
            "a <configuration> may have <property> only, and <{}> is none; write what it stands for",
            node.tag_name().name()
        );
        return Err(at(node, &problem));
    }
    // Hadoop takes each of them as an attribute too.
    let part = |part: &str| {
        let child = node.children().find(|child| child.tag_name().name() == part);
        child.map(text_of).or_else(|| node.attribute(part).map(str::to_owned))
    };
    let name = part("name").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| at(node, "the property has no <name>; give it one, or take it out"))?;
    if part("final").is_some_and(|is_final| is_final.trim() == "true") {
        let problem = format!(
            "'{name}' is <final>, which EMR has no word for; take that out, or ask the platform team to have it \
             mandatory in the class"
        );
        return Err(at(node, &problem));
    }
    let value = part("value");
    let value = value.ok_or_else(|| {
        at(
            node,
            &format!("'{name}' has no <value>; write <value/> for an empty one, or take the property out"),
        )
    })?;
    Ok((name, value))
}

/// All text within, comments left out.
fn text_of(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// A classification as EMR writes it in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(rename = "Classification", alias = "classification")]
    classification: String,
    #[serde(rename = "Properties", alias = "properties", default)]
    properties: BTreeMap<String, String>,
    #[serde(rename = "Configurations", alias = "configurations", default)]
    configurations: Vec<Self>,
}

fn of_json(text: &str) -> Result<Vec<Configuration>, String> {
    let written: Vec<Written> = serde_json::from_str(text).map_err(|error| {
        format!("must be a JSON list of objects with Classification and Properties, as EMR has them: {error}")
    })?;
    written
        .into_iter()
        .map(|outer| {
            let nested = outer
                .configurations
                .into_iter()
                .map(|inner| {
                    if inner.configurations.is_empty() {
                        let properties = Some(inner.properties);
                        Ok(NestedConfiguration { classification: inner.classification, properties })
                    } else {
                        Err(format!(
                            "{}.{}: has configurations of its own; a third level is read by no application",
                            outer.classification, inner.classification
                        ))
                    }
                })
                .collect::<Result<Vec<_>, String>>()?;
            Ok(Configuration {
                classification: outer.classification,
                properties: Some(outer.properties),
                configurations: (!nested.is_empty()).then_some(nested),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(classification: &str, settings: &[(&str, &str)]) -> Vec<Configuration> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        vec![Configuration {
            classification: classification.to_owned(),
            properties: Some(settings.collect()),
            configurations: None,
        }]
    }

    #[test]
    fn files_are_read_as_spark_writes_them_and_as_emr_does() {
        let lines = "# memory\nspark.executor.memory  4g\n\nspark.a=b=c\nspark.empty =\n";
        assert_eq!(
            of_file("spark-defaults.conf", lines),
            Ok(piece(
                "spark-defaults",
                &[("spark.executor.memory", "4g"), ("spark.a", "b=c"), ("spark.empty", "")]
            ))
        );
        let json = r#"[{"Classification": "spark-env", "Configurations": [{"Classification": "export", "Properties": {"A": "1"}}]}]"#;
        let read = of_file("env.json", json).expect("JSON");
        let within = read[0].configurations.as_deref().unwrap_or_default();
        assert_eq!(within[0].properties, piece("export", &[("A", "1")])[0].properties);
    }

    #[test]
    fn files_are_read_as_hadoop_writes_them() {
        let xml = r#"<?xml version="1.0"?>
<?xml-stylesheet type="text/xsl" href="configuration.xsl"?>
<!-- the team's own -->
<configuration>
  <property>
    <name> fs.s3.maxRetries </name>
    <value>20</value>
    <description>More than usual.</description>
  </property>
  <property><name>a</name><value>1 &lt; <!-- not -->2 <![CDATA[& 3]]></value><final>false</final></property>
  <property name="b" value="by attribute"/>
  <property><name>a</name><value/></property>
  <property><name>c</name><value>${user.home}</value></property>
</configuration>
"#;
        assert_eq!(
            of_file("core-site.xml", xml),
            Ok(piece(
                "core-site",
                &[("fs.s3.maxRetries", "20"), ("a", ""), ("b", "by attribute"), ("c", "${user.home}")]
            ))
        );
        let first = xml.replace("<property><name>a</name><value/></property>", "");
        let read = of_file("core-site.xml", &first).expect("XML");
        let properties = read[0].properties.as_ref().expect("properties");
        assert_eq!(properties["a"], "1 < 2 & 3");
        assert_eq!(of_file("hive-site.xml", "<configuration/>"), Ok(piece("hive-site", &[])));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let error = of_file("yarn-site", "a 1\nb\n").expect_err("no value");
        assert!(error.starts_with("line 2: ") && error.contains("'b'"), "{error}");
        assert!(of_file("a.json", "{}").expect_err("no list").contains("must be a JSON list"));
        let deep = r#"[{"Classification":"a","Configurations":[{"Classification":"b","Configurations":[{"Classification":"c"}]}]}]"#;
        assert!(of_file("a.json", deep).expect_err("three levels").starts_with("a.b: "));
        for (xml, parts) in [
            ("a 1\n", &["must be XML as Hadoop writes it", "1:1"][..]),
            ("<configuration>\n<property>\n</configuration>", &["'property'", "3:"]),
            ("<properties/>", &["line 1: ", "<configuration>", "<properties>"]),
            ("<configuration>\n<include href='b.xml'/></configuration>", &["line 2: ", "<include>"]),
            (
                "<configuration>\n\n<property><value>1</value></property></configuration>",
                &["line 3: ", "<name>"],
            ),
            (
                "<configuration><property><name>a</name></property></configuration>",
                &["line 1: ", "'a'", "<value>"],
            ),
            (
                "<configuration><property><name>a</name><value>1</value><final>true</final></property></configuration>",
                &["line 1: ", "'a'", "<final>"],
            ),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]>\n<configuration/>", &["DTD"]),
        ] {
            let error = of_file("core-site.xml", xml).expect_err(xml);
            for part in parts {
                assert!(error.contains(part), "no {part} in {error}");
            }
        }
    }
}
