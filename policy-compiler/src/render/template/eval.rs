//! Pieces to text.

use std::borrow::Cow;

use super::functions;
use super::{Command, Failure, Operand, Piece, Pipeline, Root, Templates, Value, broken};

/// The deepest nesting of `include`.
const MAX_INCLUDES: usize = 32;
/// The most that one template may come to, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// One run of one template.
struct Run<'t> {
    templates: &'t Templates,
    name: &'t str,
    /// How deep in `include` it is.
    depth: usize,
    /// Innermost last.
    variables: Vec<(String, Value)>,
    out: String,
}

/// Runs a template.
pub(super) fn run(templates: &Templates, name: &str, data: &Value, depth: usize) -> Result<String, Failure> {
    if depth > MAX_INCLUDES {
        return Err(broken(name, "templates include each other too deep"));
    }
    let Some((name, pieces)) = templates.named.get_key_value(name) else {
        return Err(broken(name, "there is no template of this name"));
    };
    let variables = vec![(String::new(), data.clone())];
    let mut run = Run { templates, name, depth, variables, out: String::new() };
    run.pieces(pieces, data)?;
    Ok(run.out)
}

impl Run<'_> {
    fn broken(&self, why: impl Into<String>) -> Failure {
        broken(self.name, why)
    }

    fn pieces(&mut self, pieces: &[Piece], dot: &Value) -> Result<(), Failure> {
        pieces.iter().try_for_each(|piece| self.piece(piece, dot))
    }

    /// Runs a block, and forgets the variables that it made.
    fn block(&mut self, pieces: &[Piece], dot: &Value) -> Result<(), Failure> {
        let before = self.variables.len();
        self.pieces(pieces, dot)?;
        self.variables.truncate(before);
        Ok(())
    }

    fn piece(&mut self, piece: &Piece, dot: &Value) -> Result<(), Failure> {
        match piece {
            Piece::Text(text) => self.write(text),
            Piece::Show(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                let shown = value.shown();
                let text =
                    shown.ok_or_else(|| self.broken(format!("{} is written as text", value.kind())))?;
                self.write(&text)
            }
            Piece::Let(name, pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.variables.push((name.clone(), value));
                Ok(())
            }
            Piece::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.pipeline(condition, dot)?.is_true() {
                        return self.block(body, dot);
                    }
                }
                self.block(otherwise, dot)
            }
            Piece::With(over, body, none) => match self.pipeline(over, dot)? {
                value if value.is_true() => self.block(body, &value),
                _ => self.block(none, dot),
            },
            Piece::Range { index, item, over, body, none } => {
                let items: Vec<(Value, Value)> = match self.pipeline(over, dot)? {
                    Value::List(list) => (0_i64..).map(Value::Int).zip(list).collect(),
                    Value::Map(map) => {
                        map.into_iter().map(|(key, value)| (Value::Text(key), value)).collect()
                    }
                    Value::Null => Vec::new(),
                    other => return Err(self.broken(format!("`range` over {}", other.kind()))),
                };
                if items.is_empty() {
                    return self.block(none, dot);
                }
                for (key, value) in items {
                    let before = self.variables.len();
                    self.variables.extend(index.iter().map(|name| (name.clone(), key.clone())));
                    self.variables.extend(item.iter().map(|name| (name.clone(), value.clone())));
                    self.pieces(body, &value)?;
                    self.variables.truncate(before);
                }
                Ok(())
            }
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.out.push_str(text);
        if self.out.len() > MAX_BYTES { Err(self.broken("too much comes of it")) } else { Ok(()) }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Failure> {
        let mut last = None;
        for command in &pipeline.0 {
            last = Some(match command {
                Command::Call(name, operands) => self.call(name, operands, last, dot)?,
                Command::Operand(operand) if last.is_none() => self.operand(operand, dot)?,
                Command::Operand(_) => return Err(self.broken("a value is no function")),
            });
        }
        Ok(last.unwrap_or_default())
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Failure> {
        let root = match &operand.root {
            Root::Dot => Cow::Borrowed(dot),
            Root::Variable(name) => Cow::Owned(self.variable(name)?.clone()),
            Root::Literal(value) => Cow::Borrowed(value),
            Root::Pipeline(pipeline) => Cow::Owned(self.pipeline(pipeline, dot)?),
        };
        let mut value = &*root;
        for key in &operand.keys {
            value = match value {
                Value::Map(map) => map.get(key).unwrap_or(&Value::Null),
                other => return Err(self.broken(format!("`{key}` of {} is asked for", other.kind()))),
            };
        }
        Ok(value.clone())
    }

    fn variable(&mut self, name: &str) -> Result<&mut Value, Failure> {
        let why = || broken(self.name, format!("there is no variable `${name}`"));
        self.variables
            .iter_mut()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
            .ok_or_else(why)
    }

    fn call(
        &mut self,
        name: &str,
        operands: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Failure> {
        match name {
            // These look at no more than they need.
            "and" | "or" => {
                let mut value = Value::Null;
                for operand in operands {
                    value = self.operand(operand, dot)?;
                    if value.is_true() == (name == "or") {
                        return Ok(value);
                    }
                }
                Ok(last.unwrap_or(value))
            }
            "set" => self.set(operands, dot),
            _ => {
                let mut arguments = Vec::with_capacity(operands.len() + 1);
                for operand in operands {
                    arguments.push(self.operand(operand, dot)?);
                }
                arguments.extend(last);
                match (name, arguments.as_slice()) {
                    ("include", [Value::Text(template), data]) => {
                        run(self.templates, template, data, self.depth + 1).map(Value::Text)
                    }
                    ("fail", [Value::Text(why)]) => Err(Failure::Refused(why.clone())),
                    (name, arguments) => functions::call(name, arguments).map_err(|why| self.broken(why)),
                }
            }
        }
    }

    /// The one function that changes what it is given, and so only what a variable holds.
    fn set(&mut self, operands: &[Operand], dot: &Value) -> Result<Value, Failure> {
        let [Operand { root: Root::Variable(name), keys }, key, value] = operands else {
            return Err(self.broken("`set` takes a variable, a key and a value"));
        };
        let (key, value) = (self.operand(key, dot)?, self.operand(value, dot)?);
        match (self.variable(name)?, key) {
            (Value::Map(map), Value::Text(key)) if keys.is_empty() => {
                map.insert(key, value);
            }
            _ => return Err(self.broken(format!("`set` of `${name}`, which holds no mapping"))),
        }
        Ok(Value::Null)
    }
}
