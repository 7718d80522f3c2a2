//! The edges of a plan in the form that walking them needs. Built when used, never stored.

use crate::plan::edge::Edge;
use crate::plan::node::NodeId;

/// For each node the positions of its incoming and outgoing edges.
#[derive(Debug, Clone)]
pub struct Adjacency {
    incoming: Rows,
    outgoing: Rows,
}

/// Rows of edge positions behind each other in one vector.
#[derive(Debug, Clone)]
struct Rows {
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Rows {
    fn new(nodes: usize, edges: &[Edge], end: impl Fn(&Edge) -> NodeId) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for edge in edges {
            if let Some(count) = starts.get_mut(end(edge).index() + 1) {
                *count += 1;
            }
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; edges.len()];
        for (position, edge) in (0u32..).zip(edges) {
            if let Some(at) = next.get_mut(end(edge).index())
                && let Some(cell) = rows.get_mut(*at as usize)
            {
                *cell = position;
                *at += 1;
            }
        }
        Self { starts, edges: rows }
    }

    fn row(&self, node: NodeId) -> &[u32] {
        let at = |i: usize| self.starts.get(i).map_or(0, |n| *n as usize);
        self.edges.get(at(node.index())..at(node.index() + 1)).unwrap_or(&[])
    }
}

impl Adjacency {
    /// Builds it. Edges that name nodes beyond `nodes` are left out; the checker reports them.
    #[must_use]
    pub fn new(nodes: usize, edges: &[Edge]) -> Self {
        Self { incoming: Rows::new(nodes, edges, |e| e.to), outgoing: Rows::new(nodes, edges, |e| e.from) }
    }

    /// The positions of the edges that lead to a node.
    #[must_use]
    pub fn incoming(&self, node: NodeId) -> &[u32] {
        self.incoming.row(node)
    }

    /// The positions of the edges that leave a node.
    #[must_use]
    pub fn outgoing(&self, node: NodeId) -> &[u32] {
        self.outgoing.row(node)
    }
}
