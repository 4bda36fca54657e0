//! Bodies that come with status 200 and the content type of JSON, and are no answer of any provider: what each must be
//! refused for.

/// The bodies, in the order in which [`FaultKind::MalformedBody`](crate::FaultKind::MalformedBody) serves them.
pub const BODIES: &[&[u8]] = &[
    // Nothing, or a value where an answer belongs.
    b"",
    b" \n\t ",
    b"null",
    b"true",
    b"0",
    b"\"OK\"",
    b"{}",
    b"[null]",
    b"[1,2,3]",
    b"[[]]",
    b"[{}]",
    b"[[null,null,null,null,null,null]]",
    // Cut off.
    b"{",
    b"[",
    b"[[1720000000,",
    b"{\"status\":\"OK",
    b"{\"status\":\"OK\",\"results\":[{\"t\":17200000",
    b"{\"series\":{\"data\":[{\"time\":\"2024-07-03T",
    b"{\"error\":[],\"result\":{\"last\":",
    // Nearly JSON.
    b"{\"status\":\"OK\",\"results\":[],}",
    b"{'status':'OK','results':[]}",
    b"{status:\"OK\",results:[]}",
    b"{\"status\":\"OK\" \"results\":[]}",
    b"{\"status\":\"OK\"}{\"status\":\"OK\"}",
    b"// a page of bars\n{\"status\":\"OK\"}",
    b"callback({\"status\":\"OK\"});",
    b")]}'\n{\"status\":\"OK\"}",
    b"data: {\"status\":\"OK\"}\n\n",
    b"11\r\n{\"status\":\"OK\"}\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n{\"status\":\"OK\"}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    // Numbers that JSON does not have.
    b"{\"status\":\"OK\",\"results\":[{\"t\":1720000000000,\"o\":NaN}]}",
    b"{\"status\":\"OK\",\"results\":[{\"t\":1720000000000,\"o\":Infinity}]}",
    b"{\"status\":\"OK\",\"results\":[{\"t\":1720000000000,\"o\":1e999}]}",
    b"{\"status\":\"OK\",\"results\":[{\"t\":1720000000000,\"o\":+1}]}",
    b"{\"status\":\"OK\",\"results\":[{\"t\":1720000000000,\"o\":01}]}",
    b"{\"status\":\"OK\",\"results\":[{\"t\":1720000000000,\"o\":0x1F}]}",
    // Bytes that are no text, or another's text.
    b"\xef\xbb\xbf{\"status\":\"OK\"}",
    b"\xff\xfe{\0\"\0s\0\"\0",
    b"\0\0\0\0",
    b"{\"status\":\"\xc3\x28\"}",
    b"{\"status\":\"\\ud800\"}",
    b"{\"status\":\"\\x4f\"}",
    b"{\"status\":\"a\nb\"}",
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0",
    b"<?xml version=\"1.0\"?><series><data/></series>",
    b"<!DOCTYPE html><title>502 Bad Gateway</title>",
    b"t,o,h,l,c,v\n1720000000000,1,1,1,1,1\n",
    b"eyJzdGF0dXMiOiJPSyJ9",
    // JSON of another shape.
    b"{\"status\":\"OK\",\"results\":{}}",
    b"{\"status\":\"OK\",\"results\":\"none\"}",
    b"{\"status\":\"OK\",\"results\":[null]}",
    b"{\"status\":\"OK\",\"results\":[[1720000000000,1,1,1,1,1]]}",
    b"{\"status\":\"OK\",\"resultsCount\":5,\"results\":[]}",
    b"{\"status\":\"OK\",\"results\":[{\"t\":\"today\",\"o\":1,\"h\":1,\"l\":1,\"c\":1,\"v\":1}]}",
    b"{\"status\":\"OK\",\"ticker\":\"ZZZZ\",\"results\":[]}",
    b"{\"status\":{\"OK\":true},\"results\":[]}",
    b"{\"series\":5}",
    b"{\"series\":[]}",
    b"{\"series\":{\"data\":\"some\"}}",
    b"{\"series\":{\"data\":[1,2]},\"history\":{\"day\":[1,2]}}",
    b"{\"history\":{\"day\":{\"date\":\"some day\",\"close\":1}}}",
    b"{\"error\":[],\"result\":[]}",
    b"{\"candles\":[]}",
];

/// The `count`th body, from the front again after the last.
pub(crate) fn nth(count: usize) -> &'static [u8] {
    BODIES[count % BODIES.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_some_fifty_and_no_two_are_equal() {
        assert!(BODIES.len() >= 50);
        assert_eq!(BODIES.iter().collect::<HashSet<_>>().len(), BODIES.len());
        assert_eq!(nth(BODIES.len()), BODIES[0]);
    }
}
