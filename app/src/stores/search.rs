//! What may be meant by what someone types, asked of the server as they type.

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::{self, Suggestion};

/// How long the typing has to rest before it is asked for.
const REST_MS: u32 = 120;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The likeliest first.
    pub suggestions: Vec<Suggestion>,
    /// Why there are none, where the server did not say.
    pub problem: Option<String>,
}

/// The store of one page.
#[derive(Clone, Copy)]
pub struct Search {
    found: RwSignal<Found>,
    /// What was asked for last; an answer to anything else comes too late.
    asked: StoredValue<String>,
}

impl Search {
    /// Nothing was typed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { found: RwSignal::default(), asked: StoredValue::default() }
    }

    /// What was found for the text that was typed last, or for the one before while that is asked for.
    #[must_use]
    pub fn found(self) -> Signal<Found> {
        self.found.into()
    }

    /// Looks `text` up.
    pub fn look_up(self, text: String) {
        self.asked.set_value(text.clone());
        if text.trim().is_empty() {
            self.found.set(Found::default());
            return;
        }
        spawn_local(async move {
            TimeoutFuture::new(REST_MS).await;
            if self.asked.try_get_value().as_ref() != Some(&text) {
                return;
            }
            let found = match api::suggest(text.clone()).await {
                Ok(suggestions) => Found { suggestions, problem: None },
                Err(problem) => Found { suggestions: Vec::new(), problem: Some(problem.detail) },
            };
            if self.asked.try_get_value().as_ref() == Some(&text) {
                self.found.set(found);
            }
        });
    }
}

impl Default for Search {
    fn default() -> Self {
        Self::new()
    }
}
