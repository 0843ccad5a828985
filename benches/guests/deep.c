/* A tree walk that dies far down: the stack alternates between three functions, so that no two frames in a row are alike. */
#include <stdio.h>
#include <stdlib.h>

struct node {
    int key;
    struct node *next;
};

static int visits;

__attribute__((noinline)) static int enter(struct node *node, int depth);

static inline int check(struct node *node, int depth) {
    visits++;
    if (!node->key) __builtin_trap();
    return depth / node->key;
}

__attribute__((noinline)) static int leave(struct node *node, int depth) {
    int below = enter(node->next, depth - 1);
    return below + visits;
}

__attribute__((noinline)) static int visit(struct node *node, int depth) {
    int below = leave(node, depth - 1);
    return below ^ visits;
}

__attribute__((noinline)) static int enter(struct node *node, int depth) {
    int own = check(node, depth);
    int below = visit(node, depth - 1);
    return own + below;
}

int main(int argc, char **argv) {
    int depth = argc > 1 ? atoi(argv[1]) : 100;
    struct node last = { 0, NULL }, node = { 1, NULL };
    struct node *nodes = calloc((size_t)depth / 3 + 2, sizeof *nodes);
    for (int i = 0; i < depth / 3; i++) nodes[i] = (struct node){ 1, &nodes[i + 1] };
    nodes[depth / 3] = last;
    node.next = nodes;
    return enter(&node, depth);
}
