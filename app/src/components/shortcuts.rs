//! The list of all shortcuts, which `?` opens.

use leptos::prelude::*;

use super::dialogue::Dialogue;
use crate::stores::shortcuts::{Shortcut, Shortcuts, caps};

/// A dialogue with every key that does something now.
#[component]
pub fn ShortcutList(
    /// The registry.
    shortcuts: Shortcuts,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    shortcuts.add("Page", &["?"], "List the keys", Callback::new(move |()| open.set(true)));
    let groups = move || {
        let group = |(name, members): (&'static str, Vec<Shortcut>)| {
            view! {
                <section class="keys">
                    <h3>{name}</h3>
                    <dl>{members.into_iter().map(line).collect_view()}</dl>
                </section>
            }
        };
        shortcuts.groups().into_iter().map(group).collect_view()
    };
    view! {
        <Dialogue id="shortcuts" title="Keyboard" open>
            {groups}
        </Dialogue>
    }
    .into_any()
}

fn line(shortcut: Shortcut) -> impl IntoView {
    let keys = shortcut.keys.iter().enumerate().map(|(i, key)| {
        let caps = caps(key).into_iter().map(|cap| view! { <kbd>{cap}</kbd> }).collect_view();
        view! {
            {(i > 0).then_some(" or ")}
            {caps}
        }
    });
    view! {
        <div class="key">
            <dt>{shortcut.label}</dt>
            <dd>{keys.collect_view()}</dd>
        </div>
    }
}
