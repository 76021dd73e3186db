//! A template's tree put to work (Go 1.24, text/template/exec.go).

use super::TemplateError;
use super::functions::{self, CallError};
use super::parse::{Branch, Command, Form, Node, Operand, Pipeline, Trees};
use super::printf::quoted;
use super::value::Val;

/// Methods of the data itself, such as `.Label "name"` of docker's rows.
pub trait Methods {
    /// What the method gives; `None` where there is none of that name.
    fn call(&self, name: &str, args: &[&str]) -> Option<String>;

    /// Go's name of the type, for messages.
    fn kind(&self) -> &str {
        "map[string]interface {}"
    }

    /// Whether the data is one row of a list: then what its fields hold is kept on that row.
    fn is_row(&self) -> bool {
        false
    }

    /// Whether the data is a table's headers, which docker's functions leave as they are.
    fn is_header(&self) -> bool {
        false
    }
}

/// Data without methods.
pub struct NoMethods;

impl Methods for NoMethods {
    fn call(&self, _name: &str, _args: &[&str]) -> Option<String> {
        None
    }
}

/// How deep templates may call each other, as Go has it for small stacks (exec.go, maxExecDepth).
const DEEPEST: usize = 1000;
/// How much one execution may print, so that a template cannot fill the memory.
const LONGEST: usize = 1 << 30;

/// Runs a template over data.
pub fn run(source: &str, trees: &Trees, data: Val, methods: &dyn Methods) -> Result<String, TemplateError> {
    let mut run = Run {
        source,
        trees,
        methods,
        root: data.clone(),
        variables: vec![("$".into(), data.clone())],
        out: String::new(),
        depth: 0,
    };
    run.nodes(&trees.by_name[""], &data)?;
    Ok(run.out)
}

struct Run<'a, 't> {
    source: &'t str,
    trees: &'t Trees,
    methods: &'t dyn Methods,
    root: Val<'a>,
    variables: Vec<(String, Val<'a>)>,
    out: String,
    depth: usize,
}

/// How a body ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

type Evaluated<'a> = Result<Val<'a>, TemplateError>;

impl<'a> Run<'a, '_> {
    fn fail<T>(
        &self,
        at: usize,
        node: &dyn std::fmt::Display,
        message: impl std::fmt::Display,
    ) -> Result<T, TemplateError> {
        Err(TemplateError::run(self.source, at, &node.to_string(), &message.to_string()))
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Val<'a>) -> Result<Flow, TemplateError> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Val<'a>) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.print(&value, pipeline);
                }
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Template { name, at, pipeline } => self.template(name, *at, pipeline.as_ref(), dot)?,
            Node::Branch { kind, pipeline, body, otherwise } => {
                let scope = self.variables.len();
                let flow = self.branch(*kind, pipeline, body, otherwise, dot);
                self.variables.truncate(scope);
                return flow;
            }
        }
        if self.out.len() > LONGEST {
            return Err(TemplateError::run(self.source, 0, "", "prints more than can be held"));
        }
        Ok(Flow::On)
    }

    // Nothing reaches a terminal that may change what it shows. Newlines and tabs may be the template's own (`println`),
    // but not where a field of a row is printed as it is.
    fn print(&mut self, value: &Val, pipeline: &Pipeline) {
        let is_field = matches!(pipeline.commands.as_slice(), [one] if matches!(one.args.as_slice(), [Operand { form: Form::Field(_), .. }]));
        let keeps_lines = !(self.methods.is_row() && is_field);
        for c in value.printed().chars() {
            match c {
                '\n' | '\t' if keeps_lines => self.out.push(c),
                c if model::path::is_unsafe(c) => self.out.push_str(&model::path::shown(c.to_string().as_bytes())),
                c => self.out.push(c),
            }
        }
    }

    fn branch(
        &mut self,
        kind: Branch,
        pipeline: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Val<'a>,
    ) -> Result<Flow, TemplateError> {
        if kind == Branch::Range {
            return self.range(pipeline, body, otherwise, dot);
        }
        let value = self.pipeline(pipeline, dot)?;
        match (value.is_true(), kind) {
            (true, Branch::With) => self.nodes(body, &value),
            (true, _) => self.nodes(body, dot),
            (false, _) => self.nodes(otherwise, dot),
        }
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Val<'a>,
    ) -> Result<Flow, TemplateError> {
        // The variables of a range are set at each step, not to the whole.
        let whole = Pipeline { variables: Vec::new(), ..pipeline.clone() };
        let over = self.pipeline(&whole, dot)?;
        let steps = self.steps(&over, pipeline)?;
        if steps.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in steps {
            let scope = self.variables.len();
            match pipeline.variables.as_slice() {
                [one] => self.set(one, item.clone(), pipeline.declares),
                [first, second, ..] => {
                    self.set(first, key, pipeline.declares);
                    self.set(second, item.clone(), pipeline.declares);
                }
                [] => {}
            }
            let flow = self.nodes(body, &item)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn steps(&self, over: &Val<'a>, pipeline: &Pipeline) -> Result<Vec<(Val<'a>, Val<'a>)>, TemplateError> {
        use serde_json::Value;
        match over.json() {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => Ok((0..items.len()).map(|n| (Val::owned(n), over.item(n))).collect()),
            Value::Object(_) => {
                Ok(over.keys().into_iter().map(|key| (Val::owned(key.as_str()), over.indexed(&key))).collect())
            }
            Value::Number(n) if n.is_i64() && n.as_i64() < Some(1 << 20) => {
                Ok((0..n.as_i64().unwrap_or(0)).map(|n| (Val::owned(n), Val::owned(n))).collect())
            }
            _ => self.fail(pipeline.at, pipeline, format!("range can't iterate over {}", over.printed())),
        }
    }

    fn template(
        &mut self,
        name: &str,
        at: usize,
        pipeline: Option<&Pipeline>,
        dot: &Val<'a>,
    ) -> Result<(), TemplateError> {
        let shown = format!("{{{{template {}}}}}", quoted(name));
        let Some(nodes) = self.trees.by_name.get(name) else {
            return self.fail(at, &shown, format!("template {} not defined", quoted(name)));
        };
        if self.depth >= DEEPEST {
            return self.fail(at, &shown, format!("exceeded maximum template depth ({DEEPEST})"));
        }
        let data = match pipeline {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Val::Nothing,
        };
        let outside = std::mem::replace(&mut self.variables, vec![("$".into(), data.clone())]);
        self.depth += 1;
        self.nodes(nodes, &data)?;
        self.depth -= 1;
        self.variables = outside;
        Ok(())
    }

    fn set(&mut self, name: &str, value: Val<'a>, declares: bool) {
        if declares {
            self.variables.push((name.to_string(), value));
        } else if let Some(variable) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            variable.1 = value;
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Val<'a>) -> Evaluated<'a> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Val::Nothing);
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.declares);
        }
        Ok(value)
    }

    fn command(&mut self, command: &Command, dot: &Val<'a>, last: Option<Val<'a>>) -> Evaluated<'a> {
        let first = &command.args[0];
        let has_args = command.args.len() > 1 || last.is_some();
        match &first.form {
            Form::Function(name) => self.function(name, first, command, dot, last),
            Form::Field(path)
                if dot.is_same(&self.root) && path.len() == 1 && (has_args || self.is_method(dot, &path[0])) =>
            {
                self.method(&path[0], first, command, dot, last)
            }
            Form::Field(path) if has_args => {
                let name = path.last().map_or("", String::as_str);
                self.fail(first.at, first, format!("{name} is not a method but has arguments"))
            }
            Form::Nil if !has_args => self.fail(first.at, first, "nil is not a command"),
            _ if has_args => self.fail(first.at, first, format!("can't give argument to non-function {first}")),
            _ => self.operand(first, dot),
        }
    }

    fn is_method(&self, dot: &Val, name: &str) -> bool {
        dot.key(name).is_none() && self.methods.call(name, &[]).is_some()
    }

    fn method(
        &mut self,
        name: &str,
        first: &Operand,
        command: &Command,
        dot: &Val<'a>,
        last: Option<Val<'a>>,
    ) -> Evaluated<'a> {
        let mut args = Vec::new();
        for arg in &command.args[1..] {
            args.push(self.operand(arg, dot)?);
        }
        args.extend(last);
        let texts: Vec<&str> = args.iter().filter_map(Val::text).collect();
        match self.methods.call(name, &texts) {
            Some(text) if texts.len() == args.len() => Ok(Val::owned(text)),
            Some(_) => self.fail(first.at, first, "wrong type for value; expected string"),
            None if dot.key(name).is_some() => {
                self.fail(first.at, first, format!("{name} is not a method but has arguments"))
            }
            None => self.field(dot, std::slice::from_ref(&name.to_string()), first),
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Val<'a>) -> Evaluated<'a> {
        match &operand.form {
            Form::Dot => Ok(dot.clone()),
            Form::Nil => Ok(Val::Nil),
            Form::Constant(constant) => Ok(Val::owned(constant.value.clone())),
            Form::Field(path) => self.field(dot, path, operand),
            Form::Variable(name, path) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                let value = known.map_or(Val::Nothing, |(_, value)| value.clone());
                self.field(&value, path, operand)
            }
            Form::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            Form::Chain(first, path) => {
                let value = self.operand(first, dot)?;
                if matches!(first.form, Form::Nil) {
                    return self.fail(
                        operand.at,
                        operand,
                        "indirection through explicit nil in ".to_string() + &operand.to_string(),
                    );
                }
                self.field(&value, path, operand)
            }
            Form::Function(name) => {
                let command = Command { args: vec![operand.clone()] };
                self.function(name, operand, &command, dot, None)
            }
        }
    }

    fn field(&self, value: &Val<'a>, path: &[String], node: &Operand) -> Evaluated<'a> {
        let mut value = value.clone();
        for name in path {
            value = match (value.key(name), &value) {
                (Some(child), _) => child,
                (None, Val::Nothing) => Val::Nothing,
                (None, Val::Nil) => {
                    return self.fail(node.at, node, format!("nil pointer evaluating interface {{}}.{name}"));
                }
                (None, Val::Data(data, _)) if data.is_object() => return self.no_field(&value, name, node),
                (None, Val::Data(..)) => {
                    return self.fail(node.at, node, format!("can't evaluate field {name} in type interface {{}}"));
                }
            };
        }
        Ok(value)
    }

    fn no_field(&self, value: &Val<'a>, name: &str, node: &Operand) -> Evaluated<'a> {
        match self.methods.kind() {
            // Docker's rows are structs of docker's own; inspected objects are looked at as maps when a struct has no such field.
            kind if kind.starts_with('*') && value.is_same(&self.root) => {
                self.fail(node.at, node, format!("can't evaluate field {name} in type {kind}"))
            }
            // Below such a struct lie plain maps, which have no value for what they do not hold.
            kind if kind.starts_with('*') => Ok(Val::Nothing),
            _ => self.fail(node.at, node, format!("map has no entry for key {}", quoted(name))),
        }
    }

    fn function(
        &mut self,
        name: &str,
        node: &Operand,
        command: &Command,
        dot: &Val<'a>,
        last: Option<Val<'a>>,
    ) -> Evaluated<'a> {
        if name == "and" || name == "or" {
            return self.and_or(name == "and", node, command, dot, last);
        }
        let mut args = Vec::with_capacity(command.args.len());
        for arg in &command.args[1..] {
            args.push(self.operand(arg, dot)?);
        }
        args.extend(last);
        if self.methods.is_header()
            && matches!(name, "json" | "lower" | "title" | "truncate" | "upper")
            && !args.is_empty()
        {
            return Ok(args.swap_remove(0));
        }
        functions::call(name, &args).or_else(|error| match error {
            CallError::Count(text) => self.fail(node.at, node, text),
            CallError::Type { at, wanted } => {
                self.wrong_type(command.args.get(at + 1).unwrap_or(node), &args[at], wanted)
            }
            CallError::Failed(text) => self.fail(node.at, command, format!("error calling {name}: {text}")),
        })
    }

    fn wrong_type(&self, node: &Operand, value: &Val, wanted: &str) -> Evaluated<'a> {
        match (&node.form, value) {
            (Form::Constant(_), _) => {
                let wanted = if wanted == "int" { "integer" } else { wanted };
                self.fail(node.at, node, format!("expected {wanted}; found {node}"))
            }
            (_, Val::Nothing) => self.fail(node.at, node, format!("invalid value; expected {wanted}")),
            _ => self.fail(node.at, node, format!("wrong type for value; expected {wanted}; got {}", value.kind())),
        }
    }

    /// `and` and `or` look at no more arguments than they need.
    fn and_or(
        &mut self,
        is_and: bool,
        node: &Operand,
        command: &Command,
        dot: &Val<'a>,
        last: Option<Val<'a>>,
    ) -> Evaluated<'a> {
        let mut value = None;
        for arg in &command.args[1..] {
            let it = self.operand(arg, dot)?;
            if it.is_true() != is_and {
                return Ok(it);
            }
            value = Some(it);
        }
        match last.or(value) {
            Some(value) => Ok(value),
            None => self.fail(node.at, node, format!("wrong number of args for {node}: want at least 1 got 0")),
        }
    }
}
