//! JSON values as the XML that Tradier answers by default: a key is an element, an array repeats it.

use std::fmt::Write;

use serde_json::Value;

/// The document of an object with one key.
pub(crate) fn write(value: &Value) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned();
    write_children(&mut text, value);
    text
}

fn write_children(text: &mut String, value: &Value) {
    for (key, child) in value.as_object().into_iter().flatten() {
        match child {
            Value::Array(items) => items.iter().for_each(|item| write_element(text, key, item)),
            other => write_element(text, key, other),
        }
    }
}

// Writing to a String can't fail.
fn write_element(text: &mut String, key: &str, value: &Value) {
    let _ = match value {
        Value::Null => write!(text, "<{key}/>"),
        Value::String(content) => write!(text, "<{key}>{}</{key}>", escape(content)),
        Value::Object(_) => {
            let _ = write!(text, "<{key}>");
            write_children(text, value);
            write!(text, "</{key}>")
        }
        other => write!(text, "<{key}>{other}</{key}>"),
    };
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
