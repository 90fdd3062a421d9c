//! The file. A field that isn't known here is an error, so that none is passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CaseFile {
    pub(crate) format: u32,
    /// PEM.
    pub(crate) csrs: BTreeMap<String, String>,
    /// PEM.
    pub(crate) certificates: BTreeMap<String, String>,
    /// DER, base64.
    pub(crate) crls: BTreeMap<String, String>,
    /// JWK sets, JSON.
    pub(crate) key_sets: BTreeMap<String, String>,
    pub(crate) tokens: BTreeMap<String, String>,
    pub(crate) codes_without_case: BTreeMap<String, String>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) step: Step,
}

/// A call and what it answers.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) call: String,
    pub(crate) input: Value,
    pub(crate) expect: Value,
    /// Where a language answers otherwise, and why; not Rust, which is the core itself.
    #[serde(default)]
    pub(crate) except: BTreeMap<String, Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    pub(crate) error: String,
    pub(crate) why: String,
}

impl Case {
    /// The codes that it expects, in its steps too.
    pub(crate) fn codes(&self) -> Vec<&str> {
        let steps = self.step.input["steps"].as_array().into_iter().flatten();
        let expected = steps.map(|step| &step["expect"]).chain([&self.step.expect]);
        expected.filter_map(|expect| expect["error"].as_str()).collect()
    }

    pub(crate) fn inputs(&self) -> &Value {
        &self.step.input
    }
}
