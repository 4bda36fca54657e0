//! The banner: how far the series is, what went wrong, Retry and Cancel.

use leptos::prelude::*;

use crate::stores::situation::Banner;

/// What fits on a phone, in bytes; what is longer scrolls, by keys too.
const SHORT: usize = 90;

/// Says the banner's sentences, to screen readers too, though not every percent. Its place on the page is kept whatever it
/// says.
#[component]
pub fn BannerView(
    /// What to say.
    #[prop(into)]
    banner: Signal<Banner>,
    /// The revision that the sentences speak of.
    #[prop(into)]
    revision: Signal<Option<u64>>,
    /// Retry was pressed.
    on_retry: Callback<()>,
    /// Cancel was pressed.
    on_cancel: Callback<()>,
) -> impl IntoView {
    let is_long = move || banner.with(|it| it.text.len() + it.notes.iter().map(String::len).sum::<usize>() > SHORT);
    let width = move || format!("width: {}%", banner.with(|it| it.percent.unwrap_or(0)));
    let announced = Memo::new(move |_| banner.with(Banner::announcement));
    let button = move |name: &'static str, id: &'static str, is_there: fn(&Banner) -> bool, act: Callback<()>| {
        view! {
            <Show when=move || banner.with(is_there)>
                <button type="button" class="button" data-testid=id on:click=move |_| act.run(())>
                    {name}
                </button>
            </Show>
        }
    };
    view! {
        <div
            class="banner"
            data-testid="banner"
            data-state=move || banner.with(|it| it.state.as_str())
            data-revision=move || revision.get().map(|revision| revision.to_string())
        >
            <span class="banner-dot" aria-hidden="true"></span>
            <p class="banner-text" tabindex=move || is_long().then_some("0")>
                <span>{move || banner.with(|it| it.text.clone())}</span>
                " "
                <span class="banner-notes">{move || banner.with(|it| it.notes.join(" "))}</span>
            </p>
            {button("Cancel", "cancel", |it| it.cancel, on_cancel)}
            {button("Retry", "retry", |it| it.retry, on_retry)}
            <span class="banner-bar" aria-hidden="true" hidden=move || banner.with(|it| it.percent.is_none())>
                <span style=width></span>
            </span>
        </div>
        <p class="unseen" role="status" data-testid="announcement">
            {announced}
        </p>
    }
    .into_any()
}
