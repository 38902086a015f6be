//! [W3C Trace Context](https://www.w3.org/TR/trace-context/): the headers, and how the store keeps them.

use std::{fmt, sync::Arc};

/// Bytes of `tracestate` that are kept: as many as the recommendation asks for. What is longer is left out.
const STATE_LIMIT: usize = 512;

const SAMPLED: u8 = 1;
/// The trace id is random (level 2 of the recommendation).
const RANDOM: u8 = 2;

/// A place in a trace that others go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
    state: Option<Arc<str>>,
}

impl TraceContext {
    /// `None` for the two numbers that mean none. `state` is left out where it cannot be sent.
    pub fn new(trace: u128, span: u64, flags: u8, state: Option<&str>) -> Option<Self> {
        let state = state.map(|state| state.trim_matches([' ', '\t'])).filter(|state| {
            (1..=STATE_LIMIT).contains(&state.len()) && state.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        });
        let state = state.map(Arc::from);
        (trace != 0 && span != 0).then_some(Self { trace, span, flags: flags & (SAMPLED | RANDOM), state })
    }

    /// From what came in as `traceparent` and `tracestate`. What is malformed is as good as absent.
    pub fn read(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let text = traceparent.trim_matches([' ', '\t']);
        let mut fields = text.split('-');
        let mut next = |digits: usize| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            fields.next().filter(|field| field.len() == digits && field.bytes().all(hex))
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        // Later versions may have more to say after a dash; this one has not.
        if version == "ff" || (version == "00" && fields.next().is_some()) {
            return None;
        }
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        Self::new(trace, span, u8::from_str_radix(flags, 16).ok()?, tracestate)
    }

    /// As the store keeps it: see the [`Display`](fmt::Display) form.
    pub(crate) fn stored(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some((traceparent, tracestate)) => Self::read(traceparent, Some(tracestate)),
            None => Self::read(text, None),
        }
    }

    /// The header of that name.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }

    /// The header of that name, where there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Its number, for whoever makes spans.
    pub const fn trace(&self) -> u128 {
        self.trace
    }

    /// Its number, for whoever makes spans.
    pub const fn span(&self) -> u64 {
        self.span
    }

    /// Whether whoever it comes from records the trace, and how its id came about.
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// In hex, as logs have it.
    pub fn trace_id(&self) -> impl fmt::Display + use<> {
        format!("{:032x}", self.trace)
    }

    /// In hex, as logs have it.
    pub fn span_id(&self) -> impl fmt::Display + use<> {
        format!("{:016x}", self.span)
    }
}

/// `traceparent`, and after a space `tracestate` where there is one.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent())?;
        self.state.as_ref().map_or(Ok(()), |state| write!(f, " {state}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(traceparent: &str) -> Option<TraceContext> {
        TraceContext::read(traceparent, None)
    }

    #[test]
    fn headers_are_read_and_written() {
        let context = TraceContext::read(PARENT, Some("congo=t61rcWkgMzE,rojo=00f067aa 0ba902b7")).unwrap();
        assert_eq!(context.traceparent(), PARENT);
        assert_eq!(context.tracestate(), Some("congo=t61rcWkgMzE,rojo=00f067aa 0ba902b7"));
        assert_eq!((context.trace_id().to_string().as_str(), context.flags()), (&PARENT[3..35], 1));
        assert_eq!(context.span_id().to_string(), PARENT[36..52]);
        for kept in [context, read(PARENT).unwrap()] {
            assert_eq!(TraceContext::stored(&kept.to_string()), Some(kept));
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        for later in [PARENT.replacen("00", "01", 1), format!("cc{}-what-the-future-will-be-like", &PARENT[2..])] {
            assert_eq!(read(&later), read(PARENT), "{later}");
        }
    }

    #[test]
    fn what_is_malformed_is_as_good_as_absent() {
        for wrong in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_kept_is_left_out_alone() {
        for state in ["", "  ", "a=\u{e9}", "a=b\r\nX: y", &"a".repeat(513)] {
            assert_eq!(TraceContext::read(PARENT, Some(state)), read(PARENT), "{state}");
        }
    }
}
