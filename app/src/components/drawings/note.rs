//! What the hand that draws is about, over the chart: how to go on with a tool, what can be done with the selected drawing.

use leptos::prelude::*;

use crate::chart::drawings::Kind;
use crate::chart::drawings::pen::Tool;
use crate::stores::drawings::Drawings;

/// The sentence, and the buttons of what is selected.
#[component]
pub fn DrawingNote(
    /// What is drawn.
    drawings: Drawings,
    /// What was measured, in words.
    #[prop(into)]
    measured: Signal<String>,
    /// Opens the list.
    on_edit: Callback<()>,
) -> impl IntoView {
    let selected = Memo::new(move |_| {
        let id = drawings.pen().with(|pen| pen.selected())?;
        Some((id, drawings.book().with(|book| book.figure(id))?.kind()))
    });
    let hint = Memo::new(move |_| drawings.pen().with(|pen| pen.tool()).map(hint));
    let label = move || selected.get().map_or("", |(_, kind)| kind.label());
    let remove = move |_| selected.get_untracked().into_iter().for_each(|(id, _)| drawings.remove(id));
    view! {
        <div class="drawing-note">
            <div role="status" data-testid="drawing-hint">
                {move || hint.get().map(|hint| view! { <p>{hint}</p> })}
            </div>
            <p class="unseen" role="status" data-testid="measured">
                {measured}
            </p>
            <Show when=move || selected.get().is_some()>
                <div class="drawing-bar" role="group" aria-label="Selected drawing" data-testid="drawing-bar">
                    <span>{label}</span>
                    <button type="button" class="button" data-testid="drawing-edit" on:click=move |_| on_edit.run(())>
                        "Edit"
                    </button>
                    <button type="button" class="button" data-testid="drawing-remove" on:click=remove>
                        "Remove"
                    </button>
                </div>
            </Show>
        </div>
    }
    .into_any()
}

const fn hint(tool: Tool) -> &'static str {
    match tool {
        Tool::Draw(Kind::Level) => "Horizontal line: press where it is to lie.",
        Tool::Draw(Kind::Trend) => "Trend line: press two points, or drag from one to the other.",
        Tool::Draw(Kind::Rectangle) => "Rectangle: press two corners, or drag from one to the other.",
        Tool::Measure => "Measure: press two points, or drag from one to the other.",
    }
}
