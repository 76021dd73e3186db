//! `linkgraph.db`: names and links, from 0.6.5 to 1.9 (pkg/graphdb/graphdb.go, moby v1.2.0).
//!
//! `edge(entity_id, parent_id, name)`: below entity `0` stand the names of containers, below a container the aliases
//! under which it knows others.

use std::collections::HashMap;

use hostfs::Root;
use model::{Container, Finding, Store};

use crate::db::{self, sqlite};
use crate::docker_graph::link_database;
use crate::json::{self, Notes};

/// One row: who is called, by whom (`None` for the root), and how.
pub(crate) struct Edge {
    pub entity: String,
    pub parent: Option<String>,
    pub name: String,
}

/// The entity that stands for `/`.
const TOP: &str = "0";

/// All edges; none where there is no database.
pub(crate) fn edges(root: &Root, store: &Store, notes: &mut Notes) -> Vec<Edge> {
    let path = link_database(store);
    let mut raw = match root.read(&path, db::LIMIT) {
        Ok(raw) => raw,
        Err(error) if error.is_missing() => return Vec::new(),
        Err(error) => {
            notes.at(&path).add(json::code_of(&error), format!("links are not known: {}", error.problem));
            return Vec::new();
        }
    };
    let beside = path.parent().join([path.name(), b"-journal"].concat());
    match root.read(&beside, db::LIMIT) {
        Ok(journal) => db::rollback::roll_back(&mut raw, &journal),
        Err(error) if error.is_missing() => {}
        Err(error) => notes.at(&beside).add(json::code_of(&error), error.problem.to_string()),
    }
    match sqlite::Database::read(raw, None) {
        Ok(database) => rows(&database, notes.at(&path)),
        Err(error) => {
            notes.at(&path).add("database-damaged", format!("links are not known: {error}"));
            Vec::new()
        }
    }
}

fn rows(database: &sqlite::Database, notes: &mut Notes) -> Vec<Edge> {
    let (rows, ended) = database.rows("SELECT entity_id, parent_id, name FROM edge ORDER BY rowid", |row| {
        Ok(Edge { entity: row.get(0)?, parent: row.get(1)?, name: row.get(2)? })
    });
    if let Some(error) = ended {
        notes.add("database-damaged", format!("links are not all known: {error}"));
    }
    rows
}

/// Gives containers the names that the database has for them, and those that links add.
pub(crate) fn name(root: &Root, store: &Store, list: &mut [Container]) -> Vec<Finding> {
    let mut notes = Notes::new("links", &link_database(store));
    let edges = edges(root, store, &mut notes);
    let at: HashMap<String, usize> =
        list.iter().enumerate().map(|(n, container)| (container.id.as_str().to_string(), n)).collect();
    for edge in edges.iter().filter(|edge| edge.parent.as_deref() == Some(TOP)) {
        if let Some(&n) = at.get(&edge.entity)
            && !list[n].names.contains(&edge.name)
        {
            list[n].names.push(edge.name.clone());
        }
    }
    for edge in &edges {
        let user = edge.parent.as_ref().and_then(|parent| list[*at.get(parent)?].names.first().cloned());
        if let (Some(user), Some(&n)) = (user, at.get(&edge.entity)) {
            list[n].names.push(format!("{user}/{}", edge.name));
        }
    }
    notes.list
}

/// The links of one container as inspect shows them: `/web:/linked/w`.
pub(crate) fn links_of(root: &Root, store: &Store, container: &Container, notes: &mut Notes) -> Vec<String> {
    let edges = edges(root, store, notes);
    let name_of = |id: &str| {
        edges
            .iter()
            .find(|edge| edge.entity == id && edge.parent.as_deref() == Some(TOP))
            .map(|edge| edge.name.as_str())
    };
    let user =
        container.names.first().map(String::as_str).or_else(|| name_of(container.id.as_str())).unwrap_or_default();
    let own = edges.iter().filter(|edge| edge.parent.as_deref() == Some(container.id.as_str()));
    own.map(|edge| format!("/{}:/{user}/{}", name_of(&edge.entity).unwrap_or(&edge.entity), edge.name)).collect()
}
