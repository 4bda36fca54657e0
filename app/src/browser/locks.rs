//! Web Locks: what one tab of this browser holds, no other one does. A tab that is closed or crashes lets go.

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, LocalBoxFuture, select};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortController;

#[wasm_bindgen]
extern "C" {
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(this: &LockManager, name: &str, options: &JsValue, callback: &Function) -> Result<Promise, JsValue>;
}

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Waits until nobody holds it.
    InTurn,
    /// Takes it from whoever holds it.
    AtOnce,
}

/// Whether this browser has locks; where it has not, every tab is on its own.
#[must_use]
pub fn are_there() -> bool {
    manager().is_some()
}

/// A lock that is held until it is dropped, or taken away.
pub struct Lock {
    release: Function,
    ended: LocalBoxFuture<'static, ()>,
}

impl Lock {
    /// Returns once another tab has taken it away.
    pub async fn lost(&mut self) {
        (&mut self.ended).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let_go(&self.release);
    }
}

/// Waits for the lock of that name. `None` where this browser has none. Dropping the future takes the wish back.
pub async fn take(name: &str, ask: Ask) -> Option<Lock> {
    let manager = manager()?;
    let (grant, granted) = oneshot::channel::<Function>();
    let mut waiting = Waiting { granted, abort: AbortController::new().ok()? };
    let mut grant = Some(grant);
    let on_grant = Closure::once_into_js(move |_: JsValue| -> JsValue {
        Promise::new(&mut |release, _| {
            let refused = grant.take().and_then(|grant| grant.send(release).err());
            if let Some(release) = refused {
                let_go(&release);
            }
        })
        .into()
    });
    let options = Object::new();
    let (key, value) = match ask {
        Ask::InTurn => ("signal", JsValue::from(waiting.abort.signal())),
        Ask::AtOnce => ("steal", JsValue::TRUE),
    };
    // A fresh object takes any property.
    let _ = Reflect::set(&options, &JsValue::from_str(key), &value);
    let held = manager.request(name, &options, on_grant.unchecked_ref()).ok()?;
    let ended = JsFuture::from(held).map(drop).boxed_local();
    match select(&mut waiting.granted, ended).await {
        Either::Left((release, ended)) => Some(Lock { release: release.ok()?, ended }),
        Either::Right(_) => None,
    }
}

/// A wish for a lock that takes itself back, also where it was granted and nobody heard of it.
struct Waiting {
    granted: oneshot::Receiver<Function>,
    abort: AbortController,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.abort.abort();
        self.granted.close();
        if let Ok(Some(release)) = self.granted.try_recv() {
            let_go(&release);
        }
    }
}

fn let_go(release: &Function) {
    // It is a promise's own `resolve`, which does not throw.
    let _ = release.call0(&JsValue::UNDEFINED);
}

/// Pages that were not loaded securely have none.
fn manager() -> Option<LockManager> {
    let navigator = Reflect::get(&js_sys::global(), &JsValue::from_str("navigator")).ok()?;
    let locks = Reflect::get(&navigator, &JsValue::from_str("locks")).ok()?;
    locks.is_object().then(|| locks.unchecked_into())
}
