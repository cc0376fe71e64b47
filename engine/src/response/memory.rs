//! What an exchange remembers of its request.

use crate::decide::Origin;
use crate::operation::{Feature, Message, RequestId};
use crate::policy::Protocol;
use crate::reply::Shape;
use crate::scan::Vault;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// What an exchange remembers of its request, for judging what comes back.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Who asked, and where; `None` where nobody was asked about, and so nothing of the answer is judged.
    pub(crate) origin: Option<Rc<Origin>>,
    /// What the route speaks.
    pub(crate) protocol: Option<Protocol>,
    /// How the caller expects to be refused, but for the id of a JSON-RPC request.
    pub(crate) shape: Option<Shape<'static>>,
    /// Whether the route lets bodies pass that nobody can read.
    pub(crate) opaque_bodies: bool,
    /// Whether the answer has no body, whatever its head says: the method is HEAD.
    pub(crate) bodiless: bool,
    /// The JSON-RPC requests of this exchange.
    pub(crate) calls: Vec<Call>,
    /// The tool that is called, where the request is that call and nothing else.
    pub(crate) tool: Option<String>,
    /// The values that tokens stand for in the request that went on.
    pub(crate) vault: Option<Vault>,
}

/// A JSON-RPC request, as far as its answer depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) id: RequestId,
    /// What it asks for a list of, if anything.
    pub(crate) list: Option<Feature>,
}

impl Memory {
    /// Remembers a request of MCP.
    pub(crate) fn note_message(&mut self, message: &Message<'_>, id: Option<RequestId>) {
        if let Message::Request { call: crate::operation::Call::Tool { name, .. }, .. } = message {
            self.tool = Some(String::from(&**name));
        }
        if let (Message::Request { call, .. }, Some(id)) = (message, id) {
            self.calls.push(Call { id, list: call.list() });
        }
    }

    /// Remembers a request of another protocol.
    pub(crate) fn note_call(&mut self, id: RequestId) {
        self.calls.push(Call { id, list: None });
    }

    /// The request that an answer with this id is to.
    pub(crate) fn call(&self, id: &str) -> Option<&Call> {
        self.calls.iter().find(|call| call.id.as_json() == id)
    }

    /// The id to answer with: that of the only request.
    pub(crate) fn only_id(&self) -> Option<&RequestId> {
        match self.calls.as_slice() {
            [call] => Some(&call.id),
            _ => None,
        }
    }

    /// How the caller is refused.
    pub(crate) fn shape<'a>(&self, id: Option<&'a RequestId>) -> Shape<'a> {
        match self.shape {
            Some(Shape::Rpc(_)) => Shape::Rpc(id),
            Some(shape) => shape,
            None => Shape::Http,
        }
    }
}
