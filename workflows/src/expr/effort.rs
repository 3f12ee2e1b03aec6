//! How much work an expression may be, counted before it is evaluated. CEL has no loops but its macros, and a macro inside
//! a macro multiplies: thirty short ones inside each other would never end, and nothing can stop the interpreter.
//!
//! Counts from above, along the tree: what a list may hold decides how often a macro's body runs, and what comes out of
//! it how large the next list may be. Names are asked of the context; without one (when a workflow is checked) they
//! count as single values, so that only what is hopeless with any data is refused then.

use std::collections::HashMap;

use crate::context::Context;
use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

mod shape;

use shape::Shape;

/// Nodes that may be evaluated: some seconds.
const MOST_STEPS: u64 = 50_000_000;
/// Values, and bytes of texts, that a result may hold.
const LARGEST: u64 = 1 << 30;

/// Says why an expression would be too much work.
///
/// # Errors
/// In words.
pub(super) fn check(expression: &IdedExpr, context: &Context) -> Result<(), String> {
    let mut count = Count {
        context,
        bound: HashMap::new(),
    };
    let (shape, steps) = count.of(expression);
    if steps > MOST_STEPS {
        return Err(format!(
            "its macros inside each other may take more than {MOST_STEPS} steps"
        ));
    }
    if shape.total > LARGEST {
        return Err(format!(
            "its macros may make a value of more than {LARGEST} parts"
        ));
    }
    Ok(())
}

struct Count<'a> {
    context: &'a Context,
    bound: HashMap<&'a str, Shape>,
}

impl<'a> Count<'a> {
    /// What comes out of a node, and how many nodes are evaluated for it.
    fn of(&mut self, node: &'a IdedExpr) -> (Shape, u64) {
        match &node.expr {
            Expr::Literal(LiteralValue::String(text)) => (Shape::text(text.inner().len()), 1),
            Expr::Literal(LiteralValue::Bytes(bytes)) => (Shape::text(bytes.inner().len()), 1),
            Expr::Literal(_) | Expr::Unspecified | Expr::Struct(_) => (Shape::ONE, 1),
            Expr::Ident(_) | Expr::Select(_) => self.name(node),
            Expr::Call(call) if call.func_name == "_[_]" && call.args.len() == 2 => {
                let (_, index) = self.of(&call.args[1]);
                let (shape, steps) = self.name(node);
                (shape, steps.saturating_add(index))
            }
            Expr::Call(call) => {
                let parts = call.target.iter().map(|target| &**target).chain(&call.args);
                let mut all = Vec::new();
                let mut steps = 1_u64;
                for part in parts {
                    let (shape, cost) = self.of(part);
                    steps = steps.saturating_add(cost);
                    all.push(shape);
                }
                let read: u64 = all
                    .iter()
                    .fold(0, |sum, shape| shape.total.saturating_add(sum));
                let shape = match call.func_name.as_str() {
                    "_?_:_" => all.into_iter().skip(1).reduce(Shape::or),
                    "_+_" | "string" | "bytes" => all.into_iter().reduce(Shape::and),
                    "dyn" => all.pop(),
                    // Every other function and operator gives a number or a truth, and may have to read all it is given.
                    "_&&_" | "_||_" | "!_" | "@not_strictly_false" => None,
                    _ => {
                        steps = steps.saturating_add(read);
                        None
                    }
                };
                (shape.unwrap_or(Shape::ONE), steps)
            }
            Expr::List(list) => {
                let counted: Vec<(Shape, u64)> = list
                    .elements
                    .iter()
                    .map(|element| self.of(element))
                    .collect();
                together(counted)
            }
            Expr::Map(map) => {
                let mut counted = Vec::new();
                for entry in &map.entries {
                    match &entry.expr {
                        EntryExpr::StructField(field) => counted.push(self.of(&field.value)),
                        EntryExpr::MapEntry(entry) => {
                            counted.push(self.of(&entry.key));
                            counted.push(self.of(&entry.value));
                        }
                    }
                }
                together(counted)
            }
            Expr::Comprehension(macro_call) => self.comprehension(macro_call),
        }
    }

    fn comprehension(&mut self, call: &'a ComprehensionExpr) -> (Shape, u64) {
        let (range, over) = self.of(&call.iter_range);
        let (start, init) = self.of(&call.accu_init);
        let element = range.element();
        let names = [Some(call.iter_var.as_str()), call.iter_var2.as_deref()];
        let hidden: Vec<(&str, Option<Shape>)> = names
            .into_iter()
            .flatten()
            .map(|name| (name, self.bound.insert(name, element.clone())))
            .collect();
        // What one round adds to what there is already: that itself counts for nothing here.
        let nothing = Shape {
            total: 0,
            ..Shape::ONE
        };
        let before = self.bound.insert(&call.accu_var, nothing);
        let (_, cond) = self.of(&call.loop_cond);
        let (round, step) = self.of(&call.loop_step);
        let rounds = cond.saturating_add(step).saturating_mul(range.length);
        let all = start.and(round.times(range.length));
        self.bound.insert(&call.accu_var, all);
        let (result, end) = self.of(&call.result);
        for (name, shape) in hidden.into_iter().chain([(call.accu_var.as_str(), before)]) {
            match shape {
                Some(shape) => self.bound.insert(name, shape),
                None => self.bound.remove(name),
            };
        }
        let steps = [over, init, rounds, end];
        (result, steps.into_iter().fold(1, u64::saturating_add))
    }

    /// A name with its fields and constant indexes, as far as the context knows it; otherwise an element of what it is
    /// taken out of.
    fn name(&mut self, node: &'a IdedExpr) -> (Shape, u64) {
        if let Some(path) = path(node) {
            if self.bound.contains_key(path[0].as_str()) {
                if let Expr::Ident(name) = &node.expr
                    && let Some(shape) = self.bound.get(name.as_str())
                {
                    return (shape.clone(), 1);
                }
            } else {
                let known = self.context.lookup(&path);
                return (known.map_or(Shape::ONE, Shape::of), path.len() as u64);
            }
        }
        let inner = match &node.expr {
            Expr::Select(select) => &*select.operand,
            Expr::Call(call) => &call.args[0],
            _ => return (Shape::ONE, 1),
        };
        let (shape, steps) = self.of(inner);
        (shape.element(), steps.saturating_add(1))
    }
}

fn together(counted: Vec<(Shape, u64)>) -> (Shape, u64) {
    let steps = counted
        .iter()
        .fold(1_u64, |sum, (_, steps)| sum.saturating_add(*steps));
    let shapes = counted.into_iter().map(|(shape, _)| shape);
    (Shape::holding(shapes), steps)
}

/// The parts of a name, if it is nothing but one.
fn path(node: &IdedExpr) -> Option<Vec<String>> {
    let mut parts = match &node.expr {
        Expr::Ident(name) => return Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut parts = path(&select.operand)?;
            parts.push(select.field.clone());
            return Some(parts);
        }
        Expr::Call(call) if call.func_name == "_[_]" => path(call.args.first()?)?,
        _ => return None,
    };
    let Expr::Call(call) = &node.expr else {
        return None;
    };
    parts.push(super::names::constant(call.args.get(1)?)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::context::Context;
    use crate::expr::Expression;

    /// `[0,1,2].map(a, [0,1,2].map(b, …))`, so many inside each other.
    fn nested(depth: usize) -> String {
        let open: String = (0..depth)
            .map(|at| format!("[0,1,2].map(v{at}, "))
            .collect();
        format!("{open}0{}", ")".repeat(depth))
    }

    #[test]
    fn macros_inside_each_other_are_refused_when_they_would_not_end() {
        assert!(Expression::compile(&nested(6)).is_ok());
        let error = Expression::compile(&nested(20)).unwrap_err();
        assert!(error.message.contains("steps"), "{error}");
    }

    #[test]
    fn a_value_that_doubles_with_every_macro_is_refused() {
        let chain = |doubled: &str, times: usize| {
            format!(
                "['some text']{}",
                format!(".map(x, {doubled})").repeat(times)
            )
        };
        assert!(Expression::compile(&chain("x + x", 8)).is_ok());
        assert!(Expression::compile(&chain("x + x", 40)).is_err());
        assert!(Expression::compile(&chain("[x, x]", 40)).is_err());
    }

    #[test]
    fn what_the_data_makes_too_much_is_refused_with_the_data() {
        let pairs = Expression::compile("rows.all(a, rows.exists(b, b[0] == a[0]))").unwrap();
        let rows = |count: usize| {
            let rows: Vec<_> = (0..count).map(|row| json!([row, "text"])).collect();
            Context::default().with_output(json!({"rows": rows}))
        };
        assert_eq!(pairs.evaluate(&rows(100)).unwrap(), json!(true));
        let error = pairs.evaluate(&rows(10_000)).unwrap_err().to_string();
        assert!(error.contains("steps"), "{error}");
    }

    #[test]
    fn much_data_is_not_much_work_by_itself() {
        let rows: Vec<_> = (0..20_000)
            .map(|row| json!([row, "x".repeat(50)]))
            .collect();
        let context = Context::default().with_output(json!({"rows": rows}));
        for text in [
            "rows.all(r, r[0] >= 0 && r[1].startsWith('x'))",
            "rows.filter(r, r[0] < 3).map(r, r[1]).all(text, text == text)",
            "size(rows) == 20000",
        ] {
            let expression = Expression::compile(text).unwrap();
            assert_eq!(
                expression.evaluate(&context).unwrap(),
                json!(true),
                "{text}"
            );
        }
    }
}
