//! A body on its way through the filter, as far as the filter can see and change it.

use super::abi::{Answer, Status};

/// What the filter holds back of a body, and the piece that is being shown to it.
///
/// After a `Pause` the next call shows all that was held with the new piece; after a `Continue` only the new piece.
#[derive(Debug, Default)]
pub(super) struct Body {
    held: Vec<u8>,
    holding: bool,
    /// The piece of this callback; `None` outside the callbacks of this body.
    piece: Option<Vec<u8>>,
}

impl Body {
    /// Shows the next piece.
    pub(super) fn arrive(&mut self, piece: &[u8]) {
        if self.holding {
            self.held.extend_from_slice(piece);
            self.piece = Some(Vec::new());
        } else {
            self.piece = Some(piece.to_vec());
        }
    }

    /// The callback said Continue: gives what goes on now.
    pub(super) fn go_on(&mut self) -> Vec<u8> {
        self.holding = false;
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend(self.piece.take().unwrap_or_default());
        bytes
    }

    /// The callback said Pause.
    pub(super) fn hold(&mut self) {
        self.held.extend(self.piece.replace(Vec::new()).unwrap_or_default());
        self.holding = true;
    }

    /// What the guest sees.
    pub(super) fn seen(&self) -> &[u8] {
        if self.holding { &self.held } else { self.piece.as_deref().unwrap_or_default() }
    }

    /// How many bytes are held back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether there is a piece: Envoy makes trailers on demand only then.
    pub(super) fn is_arriving(&self) -> bool {
        self.piece.is_some()
    }

    /// Drops `length` bytes from the front and puts `data` there; from the end on, appends. Envoy does nothing else.
    pub(super) fn replace(&mut self, start: usize, length: usize, data: &[u8]) -> Answer {
        let target = match (&mut self.piece, self.holding) {
            (_, true) => &mut self.held,
            (Some(piece), false) => piece,
            (None, false) => return Err(Status::BadArgument.into()),
        };
        if start == 0 {
            target.splice(..length.min(target.len()), data.iter().copied());
            Ok(())
        } else if start >= target.len() {
            target.extend_from_slice(data);
            Ok(())
        } else {
            Err(Status::BadArgument.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_pieces_add_up_and_streamed_ones_do_not() {
        let mut body = Body::default();
        body.arrive(b"ab");
        assert_eq!(body.seen(), b"ab");
        body.hold();
        body.arrive(b"cd");
        assert_eq!(body.seen(), b"abcd");
        body.hold();
        body.arrive(b"");
        assert_eq!(body.seen(), b"abcd");
        assert_eq!(body.go_on(), b"abcd");
        body.arrive(b"ef");
        assert_eq!(body.seen(), b"ef");
        assert_eq!(body.go_on(), b"ef");
        assert_eq!(body.seen(), b"");
    }

    #[test]
    fn only_the_ends_can_be_changed() {
        let mut body = Body::default();
        assert!(body.replace(0, 10, b"x").is_err(), "there is no body before the body phase");
        body.arrive(b"helloworld");
        body.hold();
        for (start, length, data, result) in [
            (0, 0, "HI", "HIhelloworld"),
            (0, 3, "", "elloworld"),
            (9, 0, "!", "elloworld!"),
            (0, 99, "new", "new"),
            (0, 3, "longer", "longer"),
        ] {
            assert!(body.replace(start, length, data.as_bytes()).is_ok());
            assert_eq!(body.seen(), result.as_bytes());
        }
        assert!(body.replace(3, 1, b"x").is_err());
    }
}
