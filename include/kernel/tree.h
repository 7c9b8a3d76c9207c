/*
 * include/kernel/tree.h: a balanced binary tree whose nodes lie inside the things it holds.
 *
 * The caller searches (from tree->root, by left and right) and says where a node goes; the tree
 * keeps itself balanced (height at most 1.44 log2 n). The caller locks. No recursion.
 */
#ifndef KERNEL_TREE_H
#define KERNEL_TREE_H

#include "quire/types.h"

struct tree_node {
    struct tree_node *left;
    struct tree_node *right;
    struct tree_node *parent; /* NULL in the root */
    int32_t balance;          /* height of right minus height of left: -1, 0, 1 */
};

struct tree {
    struct tree_node *root; /* NULL when empty */
};

/*
 * Inserts NODE as a child of PARENT: on its left when AS_LEFT, else on its right; that place must
 * be empty. PARENT is NULL for the first node of an empty tree.
 */
void tree_insert(struct tree *tree, struct tree_node *parent, bool as_left, struct tree_node *node);
void tree_remove(struct tree *tree, struct tree_node *node);

/* The first, last, next, previous node in order, or NULL. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_last(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);

#endif
