//! Files that the reader gives to the page and takes from it.

use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;

/// The text of the file that was chosen in the field of this event; `None` where none was, or it is no text. The field
/// is emptied, so that the same file can be chosen again.
pub async fn chosen_text(event: web_sys::Event) -> Option<String> {
    let field: web_sys::HtmlInputElement = event.target()?.dyn_into().ok()?;
    let file = field.files()?.get(0)?;
    let text = JsFuture::from(file.text()).await.ok()?.as_string();
    field.set_value("");
    text
}

/// An address that holds the text itself, for a link that downloads it.
#[must_use]
pub fn address_of(kind: &str, text: &str) -> String {
    let mut address = format!("data:{kind};charset=utf-8,");
    address.extend(js_sys::encode_uri_component(text).as_string());
    address
}

/// Has the browser keep what lies at `address` as a file of that name.
pub fn hand_out(address: &str, name: &str) {
    let link = web_sys::window().and_then(|window| window.document()?.create_element("a").ok());
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok()) {
        link.set_href(address);
        link.set_download(name);
        link.click();
    }
}
