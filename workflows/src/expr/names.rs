//! The names that a compiled expression mentions, by a walk over its tree.

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{ParseErrors, Program};

use super::SyntaxError;
use crate::reference::Reference;

/// The first thing that the compiler did not like. The others mostly follow from it.
pub(super) fn syntax_error(text: &str, errors: &ParseErrors) -> SyntaxError {
    let Some(first) = errors.errors.iter().min_by_key(|error| error.pos) else {
        return SyntaxError {
            message: "the expression cannot be read".to_owned(),
            offset: 0,
        };
    };
    let (line, column) = (
        usize::try_from(first.pos.0).unwrap_or(1),
        usize::try_from(first.pos.1).unwrap_or(1),
    );
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let mut offset = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let message = first.msg.trim();
    let message = message
        .strip_prefix("Syntax error: ")
        .unwrap_or(message)
        .to_owned();
    SyntaxError { message, offset }
}

/// Every name, bound variables of macros left out.
pub(super) fn references(program: &Program, text: &str) -> Result<Vec<Reference>, SyntaxError> {
    let mut walk = Walk {
        program,
        text,
        bound: Vec::new(),
        found: Vec::new(),
        unknown: None,
    };
    walk.expression(program.expression());
    match walk.unknown {
        Some(error) => Err(error),
        None => Ok(walk.found),
    }
}

struct Walk<'a> {
    program: &'a Program,
    text: &'a str,
    bound: Vec<&'a str>,
    found: Vec<Reference>,
    unknown: Option<SyntaxError>,
}

impl<'a> Walk<'a> {
    fn expression(&mut self, node: &'a IdedExpr) {
        match &node.expr {
            Expr::Ident(_) | Expr::Select(_) => self.name(node),
            Expr::Call(call) if call.func_name == "_[_]" && call.args.len() == 2 => self.name(node),
            Expr::Call(call) => {
                for part in call.target.iter().map(|target| &**target).chain(&call.args) {
                    self.expression(part);
                }
            }
            Expr::List(list) => list
                .elements
                .iter()
                .for_each(|element| self.expression(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(object) => {
                self.unknown.get_or_insert_with(|| SyntaxError {
                    message: format!("there is no type `{}` to make a value of", object.type_name),
                    offset: self
                        .program
                        .source_info()
                        .offset_for(node.id)
                        .map_or(0, |(start, _)| start as usize),
                });
            }
            Expr::Comprehension(macro_call) => {
                self.expression(&macro_call.iter_range);
                self.expression(&macro_call.accu_init);
                let before = self.bound.len();
                self.bound.push(&macro_call.iter_var);
                self.bound.extend(macro_call.iter_var2.as_deref());
                self.bound.push(&macro_call.accu_var);
                self.expression(&macro_call.loop_cond);
                self.expression(&macro_call.loop_step);
                self.expression(&macro_call.result);
                self.bound.truncate(before);
            }
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &'a EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key);
                self.expression(&entry.value);
            }
        }
    }

    /// A chain of fields and constant indexes down to an identifier; anything else is walked on its own.
    fn name(&mut self, node: &'a IdedExpr) {
        let mut parts = Vec::new();
        let mut optional = false;
        let mut at = node;
        loop {
            match &at.expr {
                Expr::Select(select) => {
                    optional |= select.test;
                    parts.push(Some(select.field.clone()));
                    at = &select.operand;
                }
                Expr::Call(call) if call.func_name == "_[_]" && call.args.len() == 2 => {
                    // An index that is itself computed has names of its own.
                    self.expression(&call.args[1]);
                    parts.push(constant(&call.args[1]));
                    at = &call.args[0];
                }
                Expr::Ident(name) => {
                    if !self.bound.contains(&name.as_str()) && !name.starts_with('@') {
                        let known = parts.into_iter().rev().map_while(|part| part);
                        self.push(name, known.collect(), at.id, optional);
                    }
                    return;
                }
                _ => return self.expression(at),
            }
        }
    }

    fn push(&mut self, root: &str, rest: Vec<String>, id: u64, optional: bool) {
        let start = self
            .program
            .source_info()
            .offset_for(id)
            .map_or(0, |(start, _)| start as usize);
        // The compiler knows where the name begins; it goes on for as long as its parts follow in the text.
        let tail = self.text.get(start..).unwrap_or("");
        let end = tail
            .find(|c: char| {
                !(c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '"' | '\''))
            })
            .unwrap_or(tail.len());
        let length = tail.get(..end).map_or(root.len(), |name| {
            name.trim_end_matches(['.', '[', ']']).len()
        });
        let length = if tail.starts_with(root) {
            length.max(root.len())
        } else {
            0
        };
        let path = std::iter::once(root.to_owned()).chain(rest).collect();
        self.found.push(Reference {
            path,
            offset: start.min(self.text.len()),
            length,
            optional,
        });
    }
}

pub(super) fn constant(index: &IdedExpr) -> Option<String> {
    match &index.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        Expr::Literal(LiteralValue::Int(number)) => Some(number.inner().to_string()),
        _ => None,
    }
}
