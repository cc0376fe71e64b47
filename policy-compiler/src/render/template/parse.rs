//! Template text to pieces.

use super::{Command, Operand, Piece, Pipeline, Root, Value};

/// The deepest nesting of blocks and parentheses.
const MAX_DEPTH: usize = 64;

/// What a file holds, and what it defines, by name.
pub(super) type File = (Vec<Piece>, Vec<(String, Vec<Piece>)>);

/// Reads a file.
pub(super) fn file(text: &str) -> Result<File, String> {
    let mut reader = Reader { parts: split(text)?.into_iter(), defined: Vec::new() };
    match reader.block(0)? {
        (pieces, Closed::File) => Ok((pieces, reader.defined)),
        (_, Closed::Else(_)) => Err("`else` without `if`".to_owned()),
        (_, Closed::End) => Err("`end` of nothing".to_owned()),
    }
}

/// Text, or what stands between `{{` and `}}`.
enum Part {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A function or keyword.
    Word(String),
    /// `$name`, without the `$`.
    Variable(String),
    /// `.name`, right behind what it is a part of, or alone.
    Key(String),
    /// `.`
    Dot,
    Text(String),
    Int(i64),
    Sign(char),
    /// `:=`
    Is,
    /// Between two words.
    Space,
}

/// What ended a block.
enum Closed {
    File,
    End,
    /// With the rest of the action.
    Else(Vec<Token>),
}

struct Reader {
    parts: std::vec::IntoIter<Part>,
    defined: Vec<(String, Vec<Piece>)>,
}

/// Divides text from actions, and takes away the white space that `{{-` and `-}}` say.
fn split(text: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut rest, mut trim) = (Vec::new(), text, false);
    while let Some((before, after)) = rest.split_once("{{") {
        let (trims_left, after) = match after.strip_prefix("- ") {
            Some(after) => (true, after),
            None => (after.starts_with("-\n"), after.strip_prefix("-\n").unwrap_or(after)),
        };
        let before = if trim { before.trim_start() } else { before };
        parts.push(Part::Text(if trims_left { before.trim_end() } else { before }.to_owned()));
        let comment = after.trim_start().strip_prefix("/*");
        let end = match comment {
            Some(comment) => {
                after.len() - comment.len() + comment.find("*/").ok_or("a comment without end")? + 2
            }
            None => 0,
        };
        let close = end_of(after.get(end..).unwrap_or_default()).ok_or("an action without end")? + end;
        let (inside, behind) = after.split_at(close);
        rest = behind.strip_prefix("}}").unwrap_or(behind);
        trim = inside.ends_with(" -");
        let inside = if trim { inside.trim_end_matches('-') } else { inside };
        if comment.is_none() {
            parts.push(Part::Action(tokens(inside)?));
        }
    }
    parts.push(Part::Text(if trim { rest.trim_start() } else { rest }.to_owned()));
    Ok(parts)
}

/// Where an action ends: at the first `}}` that is not part of a text.
fn end_of(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted && text.get(at..).is_some_and(|rest| rest.starts_with("}}")) => return Some(at),
            _ => {}
        }
    }
    None
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut out, mut rest) = (Vec::new(), text.trim());
    while let Some(first) = rest.chars().next() {
        let name_from = |at: usize| {
            let name = rest.get(at..).unwrap_or_default();
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            name.get(..end).unwrap_or_default().to_owned()
        };
        let (token, length) = match first {
            ' ' | '\n' | '\t' => (Token::Space, rest.len() - rest.trim_start().len()),
            '"' => {
                let length = text_length(rest).ok_or("a text without end")?;
                let text = serde_json::from_str(rest.get(..length).unwrap_or_default());
                (Token::Text(text.map_err(|_| "a text that is none")?), length)
            }
            '.' => match name_from(1) {
                name if name.is_empty() => (Token::Dot, 1),
                name => (Token::Key(name.clone()), 1 + name.len()),
            },
            '$' => {
                let name = name_from(1);
                (Token::Variable(name.clone()), 1 + name.len())
            }
            ':' if rest.starts_with(":=") => (Token::Is, 2),
            '(' | ')' | '|' | ',' => (Token::Sign(first), 1),
            '0'..='9' => {
                let name = name_from(0);
                (Token::Int(name.parse().map_err(|_| format!("`{name}` is no whole number"))?), name.len())
            }
            _ => match name_from(0) {
                name if name.is_empty() => return Err(format!("`{first}` is not known here")),
                name => (Token::Word(name.clone()), name.len()),
            },
        };
        out.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(out)
}

/// How long a text in quotes is, with them.
fn text_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

impl Reader {
    /// Reads up to what ends the block.
    fn block(&mut self, depth: usize) -> Result<(Vec<Piece>, Closed), String> {
        if depth > MAX_DEPTH {
            return Err("blocks are nested too deep".to_owned());
        }
        let mut pieces = Vec::new();
        while let Some(part) = self.parts.next() {
            let tokens = match part {
                Part::Text(text) if text.is_empty() => continue,
                Part::Text(text) => {
                    pieces.push(Piece::Text(text));
                    continue;
                }
                Part::Action(tokens) => tokens,
            };
            let (word, rest) = match tokens.split_first() {
                Some((Token::Word(word), rest)) => (word.as_str(), rest),
                _ => ("", tokens.as_slice()),
            };
            match word {
                "end" => return Ok((pieces, Closed::End)),
                "else" => return Ok((pieces, Closed::Else(trimmed(rest).to_vec()))),
                "if" => pieces.push(self.condition(rest, depth)?),
                "with" => {
                    let (over, body, none) = self.body(rest, depth)?;
                    pieces.push(Piece::With(over, body, none));
                }
                "range" => pieces.push(self.range(rest, depth)?),
                "define" => self.define(rest, depth)?,
                "block" | "template" | "break" | "continue" => {
                    return Err(format!("`{word}` is not known here"));
                }
                _ => pieces.push(shown(&tokens)?),
            }
        }
        Ok((pieces, Closed::File))
    }

    fn define(&mut self, tokens: &[Token], depth: usize) -> Result<(), String> {
        let [Token::Text(name)] = trimmed(tokens) else { return Err("`define` without a name".to_owned()) };
        match self.block(depth + 1)? {
            (pieces, Closed::End) if depth == 0 => self.defined.push((name.clone(), pieces)),
            _ => return Err(format!("`define` of `{name}` does not end as it should")),
        }
        Ok(())
    }

    fn condition(&mut self, tokens: &[Token], depth: usize) -> Result<Piece, String> {
        let mut branches = Vec::new();
        let mut condition = pipeline(tokens, 0)?;
        loop {
            let (body, end) = self.block(depth + 1)?;
            branches.push((condition, body));
            match end {
                Closed::End => return Ok(Piece::If(branches, Vec::new())),
                Closed::Else(rest) => match rest.split_first() {
                    None => return Ok(Piece::If(branches, self.last(depth)?)),
                    Some((Token::Word(word), rest)) if word == "if" => condition = pipeline(rest, 0)?,
                    Some(_) => return Err("`else` with more than `if`".to_owned()),
                },
                Closed::File => return Err("`if` without `end`".to_owned()),
            }
        }
    }

    /// The rest of `with` and `range`: what it is about, its body, and what stands behind `else`.
    fn body(&mut self, tokens: &[Token], depth: usize) -> Result<(Pipeline, Vec<Piece>, Vec<Piece>), String> {
        let over = pipeline(tokens, 0)?;
        match self.block(depth + 1)? {
            (body, Closed::End) => Ok((over, body, Vec::new())),
            (body, Closed::Else(rest)) if rest.is_empty() => Ok((over, body, self.last(depth)?)),
            _ => Err("`with` or `range` does not end as it should".to_owned()),
        }
    }

    /// What stands behind the last `else`.
    fn last(&mut self, depth: usize) -> Result<Vec<Piece>, String> {
        match self.block(depth + 1)? {
            (pieces, Closed::End) => Ok(pieces),
            _ => Err("`else` without `end`".to_owned()),
        }
    }

    fn range(&mut self, tokens: &[Token], depth: usize) -> Result<Piece, String> {
        let tokens = trimmed(tokens);
        let at = tokens.iter().position(|token| *token == Token::Is);
        let (names, rest) = at.map_or((&[][..], tokens), |at| (&tokens[..at], &tokens[at + 1..]));
        let mut variables = Vec::new();
        for token in names {
            match token {
                Token::Variable(name) => variables.push(name.clone()),
                Token::Space | Token::Sign(',') => {}
                _ => return Err("`range` with something else than variables".to_owned()),
            }
        }
        let (over, body, none) = self.body(rest, depth)?;
        let item = variables.pop();
        let index = variables.pop();
        if !variables.is_empty() {
            return Err("`range` with more than two variables".to_owned());
        }
        Ok(Piece::Range { index, item, over, body, none })
    }
}

/// An action that is no block.
fn shown(tokens: &[Token]) -> Result<Piece, String> {
    let at = tokens.iter().position(|token| *token == Token::Is);
    match at.map(|at| (trimmed(&tokens[..at]), &tokens[at + 1..])) {
        None => Ok(Piece::Show(pipeline(tokens, 0)?)),
        Some(([Token::Variable(name)], rest)) => Ok(Piece::Let(name.clone(), pipeline(rest, 0)?)),
        Some(_) => Err("only a variable can be given a value".to_owned()),
    }
}

fn trimmed(mut tokens: &[Token]) -> &[Token] {
    while let [Token::Space, rest @ ..] | [rest @ .., Token::Space] = tokens {
        tokens = rest;
    }
    tokens
}

/// Reads all of the tokens as a pipeline.
fn pipeline(tokens: &[Token], depth: usize) -> Result<Pipeline, String> {
    if depth > MAX_DEPTH {
        return Err("parentheses are nested too deep".to_owned());
    }
    let mut commands = Vec::new();
    let (mut nested, mut from) = (0_usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => nested += 1,
            Token::Sign(')') => nested = nested.checked_sub(1).ok_or("`)` without `(`")?,
            Token::Sign('|') if nested == 0 => {
                commands.push(command(trimmed(&tokens[from..at]), depth)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    commands.push(command(trimmed(&tokens[from..]), depth)?);
    Ok(Pipeline(commands))
}

fn command(tokens: &[Token], depth: usize) -> Result<Command, String> {
    let (call, mut rest) = match tokens.split_first() {
        Some((Token::Word(word), rest)) if !matches!(word.as_str(), "true" | "false" | "nil") => {
            (Some(word.clone()), rest)
        }
        _ => (None, tokens),
    };
    let mut operands = Vec::new();
    loop {
        rest = trimmed(rest);
        if rest.is_empty() {
            break;
        }
        let (operand, left) = operand(rest, depth)?;
        operands.push(operand);
        rest = left;
    }
    match (call, operands.len()) {
        (Some(name), _) => Ok(Command::Call(name, operands)),
        (None, 1) => operands.pop().map(Command::Operand).ok_or_else(String::new),
        (None, _) => Err("a command is neither a function nor one value".to_owned()),
    }
}

/// One operand, and what is left.
fn operand(tokens: &[Token], depth: usize) -> Result<(Operand, &[Token]), String> {
    let Some((first, mut rest)) = tokens.split_first() else { return Err("a value is missing".to_owned()) };
    let mut keys = Vec::new();
    let root = match first {
        Token::Dot => Root::Dot,
        Token::Key(key) => {
            keys.push(key.clone());
            Root::Dot
        }
        Token::Variable(name) => Root::Variable(name.clone()),
        Token::Text(text) => Root::Literal(Value::Text(text.clone())),
        Token::Int(int) => Root::Literal(Value::Int(*int)),
        Token::Word(word) => match word.as_str() {
            "true" | "false" => Root::Literal(Value::Bool(word == "true")),
            "nil" => Root::Literal(Value::Null),
            _ => Root::Pipeline(Pipeline(vec![Command::Call(word.clone(), Vec::new())])),
        },
        Token::Sign('(') => {
            let end = closing(rest).ok_or("`(` without `)`")?;
            let inside = pipeline(&rest[..end], depth + 1)?;
            rest = &rest[end + 1..];
            Root::Pipeline(inside)
        }
        Token::Sign(_) | Token::Is | Token::Space => {
            return Err("a sign stands where a value should".to_owned());
        }
    };
    while let Some((Token::Key(key), left)) = rest.split_first() {
        keys.push(key.clone());
        rest = left;
    }
    Ok((Operand { root, keys }, rest))
}

/// Where the parenthesis ends that was opened before.
fn closing(tokens: &[Token]) -> Option<usize> {
    let mut nested = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => nested += 1,
            Token::Sign(')') if nested == 0 => return Some(at),
            Token::Sign(')') => nested -= 1,
            _ => {}
        }
    }
    None
}
