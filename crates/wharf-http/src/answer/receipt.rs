//! What whoever removes something is told: whether, and until when, it can be undone.

use http::{HeaderName, HeaderValue, Response};
use wharf_gateway::{rfc3339, why_lost};
use wharf_store::Receipt;

use crate::answer::json::Members;
use crate::transport::chunks::ResponseBody;

const ID: HeaderName = HeaderName::from_static("wharf-undo-id");
const UNTIL: HeaderName = HeaderName::from_static("wharf-undo-until");
const WHY_NOT: HeaderName = HeaderName::from_static("wharf-undo-impossible");

/// Adds it to an answer that has no body.
pub(crate) fn put_headers(
    mut response: Response<ResponseBody>,
    receipt: Option<&Receipt>,
) -> Response<ResponseBody> {
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    match receipt {
        None => {}
        Some(Receipt::Kept { id, until }) => {
            put(ID, &id.to_string());
            put(UNTIL, &rfc3339(*until));
        }
        Some(Receipt::Lost(why)) => put(WHY_NOT, &why_lost(why)),
    }
    response
}

/// Writes it as an object with `id` and `until`, or with `impossible`; `null` if nothing was removed.
pub(crate) fn write(out: &mut Vec<u8>, receipt: Option<&Receipt>) {
    let Some(receipt) = receipt else {
        out.extend_from_slice(b"null");
        return;
    };
    let mut object = Members::object(out);
    match receipt {
        Receipt::Kept { id, until } => {
            object.integer("id", id.0);
            object.string("until", &rfc3339(*until));
        }
        Receipt::Lost(why) => object.string("impossible", &why_lost(why)),
    }
    object.end();
}
