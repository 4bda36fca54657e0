//! The settings, in a dialogue.

use leptos::prelude::*;

use super::cache_settings::CacheSettings;
use super::dialogue::Dialogue;
use crate::stores::cache::CacheStore;
use crate::stores::settings::{Choice, Settings};

/// Theme, clock, keys and stored bars.
#[component]
pub fn SettingsDialogue(
    /// What is set.
    settings: Settings,
    /// Whether it is open.
    open: RwSignal<bool>,
) -> impl IntoView {
    let cache = CacheStore::new();
    view! {
        <Dialogue id="settings" title="Settings" open>
            {choices("Colours", "", settings.theme(), move |choice| settings.set_theme(choice))}
            {choices(
                "Clock",
                "By which clock times are written. The exchange's is New York's for equities and currencies, and UTC for crypto.",
                settings.clock(),
                move |choice| settings.set_clock(choice),
            )}
            {choices(
                "Single keys",
                "Switch them off where speech or other tools send keys that the page is not meant to hear.",
                settings.shortcuts(),
                move |choice| settings.set_shortcuts(choice),
            )}
            <CacheSettings store=cache />
        </Dialogue>
    }
    .into_any()
}

/// One setting as radio buttons.
pub(super) fn choices<C: Choice>(
    name: &'static str,
    hint: &'static str,
    chosen: Signal<C>,
    choose: impl Fn(C) + Copy + Send + Sync + 'static,
) -> AnyView {
    let option = move |choice: C| {
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name=C::KEY
                    value=choice.as_str()
                    prop:checked=move || chosen.get() == choice
                    on:change=move |_| choose(choice)
                />
                {choice.label()}
            </label>
        }
    };
    view! {
        <fieldset class="setting">
            <legend>{name}</legend>
            <div class="choices">{C::ALL.iter().copied().map(option).collect_view()}</div>
            {(!hint.is_empty()).then(|| view! { <p class="hint">{hint}</p> })}
        </fieldset>
    }
    .into_any()
}
