//! The banner: how far the series is, what went wrong, and Retry.

use leptos::prelude::*;

use crate::stores::situation::Banner;

/// Says the banner's sentences, to screen readers too. Its place on the page is kept whatever it says.
#[component]
pub fn BannerView(
    /// What to say.
    #[prop(into)]
    banner: Signal<Banner>,
    /// Retry was pressed.
    on_retry: Callback<()>,
) -> impl IntoView {
    let width = move || format!("width: {}%", banner.with(|it| it.percent.unwrap_or(0)));
    view! {
        <div
            class="banner"
            role="status"
            aria-live="polite"
            data-testid="banner"
            data-state=move || banner.with(|it| it.state.as_str())
        >
            <span class="banner-dot" aria-hidden="true"></span>
            <p class="banner-text">
                <span>{move || banner.with(|it| it.text.clone())}</span>
                " "
                <span class="banner-notes">{move || banner.with(|it| it.notes.join(" "))}</span>
            </p>
            <Show when=move || banner.with(|it| it.retry)>
                <button type="button" class="button" data-testid="retry" on:click=move |_| on_retry.run(())>
                    "Retry"
                </button>
            </Show>
            <span class="banner-bar" aria-hidden="true" hidden=move || banner.with(|it| it.percent.is_none())>
                <span style=width></span>
            </span>
        </div>
    }
    .into_any()
}
