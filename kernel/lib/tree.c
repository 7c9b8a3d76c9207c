/*
 * kernel/lib/tree.c: a balanced binary tree (AVL) whose nodes lie inside the things it holds.
 *
 *        b            d       A node's balance is the height of its right subtree minus that of
 *       / \          / \      its left one, and stays within -1 ... 1. An insertion or a removal
 *      a   d   <=>  b   e     walks from the changed place up to the root, correcting balances,
 *         / \      / \        and rotates (the picture: left, then right) where one reaches 2.
 *        c   e    a   c       An insertion needs at most one rotation (a double one counts once).
 *
 * Parent pointers make recursion and a stack unnecessary. See Knuth, TAOCP 3, section 6.2.3.
 */
#include "kernel/tree.h"

#include "quire/assert.h"

/* Makes CHILD (may be NULL) stand where NODE stands below its parent. */
static void replace_in_parent(struct tree *tree, const struct tree_node *node,
                              struct tree_node *child)
{
    struct tree_node *parent = node->parent;

    if (parent == NULL) {
        tree->root = child;
    } else if (parent->left == node) {
        parent->left = child;
    } else {
        parent->right = child;
    }
    if (child != NULL) {
        child->parent = parent;
    }
}

/* NODE's right child comes up, NODE becomes its left child. Balances are the caller's. */
static struct tree_node *rotate_left(struct tree *tree, struct tree_node *node)
{
    struct tree_node *up = node->right;

    replace_in_parent(tree, node, up);
    node->right = up->left;
    if (node->right != NULL) {
        node->right->parent = node;
    }
    up->left = node;
    node->parent = up;
    return up;
}

static struct tree_node *rotate_right(struct tree *tree, struct tree_node *node)
{
    struct tree_node *up = node->left;

    replace_in_parent(tree, node, up);
    node->left = up->right;
    if (node->left != NULL) {
        node->left->parent = node;
    }
    up->right = node;
    node->parent = up;
    return up;
}

/* After a double rotation that brought MIDDLE up between LOW and HIGH. */
static void settle_double(struct tree_node *middle, struct tree_node *low, struct tree_node *high)
{
    low->balance = middle->balance > 0 ? -1 : 0;
    high->balance = middle->balance < 0 ? 1 : 0;
    middle->balance = 0;
}

/* NODE leans right by 2: rotates; returns the new top of the subtree. */
static struct tree_node *fix_right_heavy(struct tree *tree, struct tree_node *node)
{
    struct tree_node *right = node->right;

    if (right->balance < 0) {
        struct tree_node *middle = rotate_right(tree, right);

        rotate_left(tree, node);
        settle_double(middle, node, right);
        return middle;
    }
    rotate_left(tree, node);
    node->balance = 1 - right->balance;
    right->balance -= 1;
    return right;
}

static struct tree_node *fix_left_heavy(struct tree *tree, struct tree_node *node)
{
    struct tree_node *left = node->left;

    if (left->balance > 0) {
        struct tree_node *middle = rotate_left(tree, left);

        rotate_right(tree, node);
        settle_double(middle, left, node);
        return middle;
    }
    rotate_right(tree, node);
    node->balance = -1 - left->balance;
    left->balance += 1;
    return left;
}

/* Rotates where NODE's balance has reached 2 or -2; returns the top of the subtree. */
static struct tree_node *fix(struct tree *tree, struct tree_node *node)
{
    if (node->balance > 1) {
        return fix_right_heavy(tree, node);
    }
    if (node->balance < -1) {
        return fix_left_heavy(tree, node);
    }
    return node;
}

void tree_insert(struct tree *tree, struct tree_node *parent, bool as_left, struct tree_node *node)
{
    *node = (struct tree_node){.parent = parent};
    if (parent == NULL) {
        ASSERT(tree->root == NULL);
        tree->root = node;
        return;
    }
    if (as_left) {
        ASSERT(parent->left == NULL);
        parent->left = node;
    } else {
        ASSERT(parent->right == NULL);
        parent->right = node;
    }
    for (;;) { /* the subtree at NODE has grown by one level */
        parent->balance += node == parent->left ? -1 : 1;
        node = fix(tree, parent);
        parent = node->parent;
        if (node->balance == 0 || parent == NULL) {
            return;
        }
    }
}

/* The subtree on the left (or right) of PARENT has lost one level. */
static void shrink(struct tree *tree, struct tree_node *parent, bool on_left)
{
    while (parent != NULL) {
        parent->balance += on_left ? 1 : -1;
        struct tree_node *top = fix(tree, parent);
        if (top->balance != 0) {
            return;
        }
        parent = top->parent;
        on_left = parent != NULL && parent->left == top;
    }
}

/* Puts NEXT, NODE's successor with both children of NODE present, into NODE's place. */
static void remove_inner(struct tree *tree, struct tree_node *node, struct tree_node *next)
{
    struct tree_node *changed = next->parent;
    bool on_left = true;

    if (changed == node) {
        changed = next;
        on_left = false;
    } else {
        replace_in_parent(tree, next, next->right);
        next->right = node->right;
        next->right->parent = next;
    }
    next->left = node->left;
    next->left->parent = next;
    next->balance = node->balance;
    replace_in_parent(tree, node, next);
    shrink(tree, changed, on_left);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    if (node->left != NULL && node->right != NULL) {
        remove_inner(tree, node, tree_next(node));
    } else {
        struct tree_node *parent = node->parent;
        bool on_left = parent != NULL && parent->left == node;

        replace_in_parent(tree, node, node->left != NULL ? node->left : node->right);
        shrink(tree, parent, on_left);
    }
    *node = (struct tree_node){0};
}

struct tree_node *tree_first(const struct tree *tree)
{
    struct tree_node *node = tree->root;

    while (node != NULL && node->left != NULL) {
        node = node->left;
    }
    return node;
}

struct tree_node *tree_last(const struct tree *tree)
{
    struct tree_node *node = tree->root;

    while (node != NULL && node->right != NULL) {
        node = node->right;
    }
    return node;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->right != NULL) {
        struct tree_node *next = node->right;

        while (next->left != NULL) {
            next = next->left;
        }
        return next;
    }
    while (node->parent != NULL && node->parent->right == node) {
        node = node->parent;
    }
    return node->parent;
}

struct tree_node *tree_prev(const struct tree_node *node)
{
    if (node->left != NULL) {
        struct tree_node *prev = node->left;

        while (prev->right != NULL) {
            prev = prev->right;
        }
        return prev;
    }
    while (node->parent != NULL && node->parent->left == node) {
        node = node->parent;
    }
    return node->parent;
}
