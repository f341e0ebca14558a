//! One file: a configuration with its checksum around it.
//!
//! The configuration is in it byte by byte, in base64, so that its SHA-256 does not depend on how
//! anybody writes JSON. That of a consumer is `{"name":…,"stream":…,"config":…}` (`jsm.go`, before 2022).

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{ConfigurationError, Result};
use crate::archive::is_name;
use crate::offline::sha256;

/// Who may read a file: it tells of subjects and accounts, which is not for everybody.
const MODE: u32 = 0o640;

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    Stream {
        name: String,
        config: Map<String, Value>,
    },
    Consumer {
        stream: String,
        name: String,
        config: Map<String, Value>,
    },
    /// What servers had until 2.10: nothing today makes streams from it.
    Template,
}

/// The name of a stream's file.
pub(super) fn stream_file(stream: &str) -> String {
    format!("stream_{stream}.json")
}

/// The name of a consumer's file.
pub(super) fn consumer_file(stream: &str, consumer: &str) -> String {
    format!("stream_{stream}_consumer_{consumer}.json")
}

/// The name of the file with a stream's data.
pub(super) fn data_file(stream: &str) -> String {
    format!("stream_{stream}.tgz")
}

/// Makes a file that must not be there.
pub(super) fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(MODE);
    options
        .open(path)
        .map_err(ConfigurationError::io("creating", path))
}

/// Writes a stream's configuration.
pub(super) fn write_stream(directory: &Path, name: &str, config: &Value) -> Result<()> {
    write(&directory.join(stream_file(name)), "stream", config)
}

/// Writes a consumer's configuration.
pub(super) fn write_consumer(
    directory: &Path,
    stream: &str,
    name: &str,
    config: &Map<String, Value>,
) -> Result<()> {
    let record = json!({ "name": name, "stream": stream, "config": config });
    let path = directory.join(consumer_file(stream, name));
    write(&path, "consumer", &record)
}

fn write(path: &Path, kind: &str, configuration: &Value) -> Result<()> {
    let failed = || ConfigurationError::io("writing", path);
    let to_text = |value: &Value| {
        serde_json::to_vec_pretty(value).map_err(|error| failed()(std::io::Error::from(error)))
    };
    let configuration = to_text(configuration)?;
    let now = OffsetDateTime::now_utc();
    // Whole seconds, as whoever wrote such files before had them.
    let now = now.replace_nanosecond(0).unwrap_or(now);
    let record = json!({
        "type": kind,
        "time": now.format(&Rfc3339).unwrap_or_default(),
        "configuration": STANDARD.encode(&configuration),
        "checksum": sha256(&configuration),
    });
    let text = to_text(&record)?;
    let mut file = create(path)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed())
}

/// Reads a file, and believes nothing of it before its checksum was compared.
pub(super) fn read(path: &Path) -> Result<Content> {
    let text = std::fs::read(path).map_err(ConfigurationError::io("reading", path))?;
    let wrong = |field: &str, reason: &str| ConfigurationError::NotAConfiguration {
        path: path.to_owned(),
        field: field.to_owned(),
        reason: reason.to_owned(),
    };
    let record: Map<String, Value> = serde_json::from_slice(&text)
        .map_err(|error| wrong("the file", &format!("it is no JSON object: {error}")))?;
    let text_of = |field: &str| {
        let text = record.get(field).and_then(Value::as_str);
        text.ok_or_else(|| wrong(field, "it is missing, or no text"))
    };
    let (kind, said) = (text_of("type")?, text_of("checksum")?);
    if OffsetDateTime::parse(text_of("time")?, &Rfc3339).is_err() {
        return Err(wrong("time", "it is no time (RFC 3339)"));
    }
    let configuration = STANDARD
        .decode(text_of("configuration")?)
        .map_err(|error| wrong("configuration", &format!("it is no base64: {error}")))?;
    let found = sha256(&configuration);
    if !found.eq_ignore_ascii_case(said) {
        return Err(ConfigurationError::Checksum {
            path: path.to_owned(),
            said: said.to_owned(),
            found,
        });
    }
    let inner: Map<String, Value> = serde_json::from_slice(&configuration)
        .map_err(|error| wrong("configuration", &format!("it is no JSON object: {error}")))?;
    let name_at = |field: &str| {
        let name = inner.get(field).and_then(Value::as_str).unwrap_or("");
        if is_name(name) {
            return Ok(name.to_owned());
        }
        let field = format!("configuration.{field}");
        Err(wrong(&field, "it is missing, or no name servers take"))
    };
    match kind {
        "stream" => Ok(Content::Stream {
            name: name_at("name")?,
            config: inner,
        }),
        "consumer" => {
            let (stream, name) = (name_at("stream")?, name_at("name")?);
            let Some(Value::Object(config)) = inner.get("config") else {
                return Err(wrong("configuration.config", "it is missing, or no object"));
            };
            if config.get("durable_name").and_then(Value::as_str) != Some(&*name) {
                let field = "configuration.config.durable_name";
                return Err(wrong(field, "it is missing, or not the consumer's name"));
            }
            let config = config.clone();
            Ok(Content::Consumer {
                stream,
                name,
                config,
            })
        }
        "stream_template" => Ok(Content::Template),
        _ => Err(wrong("type", "it is neither stream nor consumer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, configuration: &Value) -> Value {
        let text = configuration.to_string();
        json!({
            "type": kind,
            "time": "2026-11-25T08:00:00Z",
            "configuration": STANDARD.encode(&text),
            "checksum": sha256(text.as_bytes()),
        })
    }

    fn read_record(record: &Value) -> Result<Content> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stream_X.json");
        std::fs::write(&path, record.to_string()).unwrap();
        read(&path)
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let config = json!({ "name": "A", "description": "größe" });
        write_stream(directory.path(), "A", &config).unwrap();
        let path = directory.path().join("stream_A.json");
        let Content::Stream { name, config: read } = read(&path).unwrap() else {
            panic!("no stream");
        };
        assert_eq!((name, Value::Object(read)), (String::from("A"), config));
        assert!(write_stream(directory.path(), "A", &json!({})).is_err());
    }

    #[test]
    fn an_error_names_the_field() {
        let config = json!({ "durable_name": "C" });
        let whole = json!({ "stream": "S", "name": "C", "config": config });
        assert!(read_record(&record("consumer", &whole)).is_ok());
        let edited = |field: &str, value: Value| {
            let mut record = record("consumer", &whole);
            record[field] = value;
            record
        };
        let inner = |field: &str, value: Value| {
            let mut whole = whole.clone();
            whole[field] = value;
            record("consumer", &whole)
        };
        for (record, field) in [
            (json!([1]), "the file"),
            (edited("type", json!("kv")), "type"),
            (edited("time", json!("today")), "time"),
            (edited("checksum", json!(1)), "checksum"),
            (edited("configuration", json!("?")), "configuration"),
            (inner("stream", json!("a.b")), "configuration.stream"),
            (inner("name", json!("../x")), "configuration.name"),
            (inner("config", json!(1)), "configuration.config"),
            (
                inner("name", json!("D")),
                "configuration.config.durable_name",
            ),
        ] {
            let error = read_record(&record).unwrap_err().to_string();
            assert!(error.contains(&format!(": {field}: ")), "{field}: {error}");
        }
        let changed = edited("checksum", json!("00"));
        assert!(matches!(
            read_record(&changed),
            Err(ConfigurationError::Checksum { .. })
        ));
    }
}
