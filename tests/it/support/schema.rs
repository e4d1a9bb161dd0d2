//! Holds what reach writes as JSON against the schemas in tests/schema.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The schemas, one for each kind of object that reach writes.
pub const NAMES: [&str; 5] = ["box", "check", "statistics", "watch", "listen"];

/// Whether the line is one of reach's objects, by the member that all of them begin with.
pub fn is_ours(line: &str) -> bool {
    line.starts_with("{\"schema\":")
}

/// What is wrong with a line, if anything is.
pub fn complaint(line: &str) -> Option<String> {
    match serde_json::from_str(line) {
        Ok(value) => complaint_about(&value),
        Err(error) => Some(error.to_string()),
    }
}

/// The same for what has been read already.
pub fn complaint_about(value: &Value) -> Option<String> {
    let Some(name) = kind(value) else { return Some("no schema is for this".to_owned()) };
    let (schemas, compiled) = all();
    let (_, index) = compiled.iter().find(|(known, _)| *known == name).unwrap();
    schemas.validate(value, *index).err().map(|error| format!("{error:#}"))
}

/// The schema that the object must obey.
pub fn kind(value: &Value) -> Option<&'static str> {
    NAMES.into_iter().find(|name| value["type"] == *name)
}

fn all() -> &'static (Schemas, Vec<(&'static str, SchemaIndex)>) {
    static ALL: OnceLock<(Schemas, Vec<(&'static str, SchemaIndex)>)> = OnceLock::new();
    ALL.get_or_init(|| {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let mut compile = |name| {
            let path = path(name);
            let index = compiler.compile(path.to_str().unwrap(), &mut schemas);
            (name, index.unwrap_or_else(|error| panic!("{}: {error:#}", path.display())))
        };
        let compiled = NAMES.map(&mut compile).to_vec();
        (schemas, compiled)
    })
}

/// Where the schema is.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema").join(name).with_extension("json")
}
