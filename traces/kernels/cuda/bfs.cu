// One level of a breadth-first search over a graph in CSR form, a thread for each vertex; *more is set if it went on.
extern "C" __global__ void bfs(const int *first, const int *edges, int *level, int *more, int depth, int n) {
    int v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v >= n || level[v] != depth) return;
    for (int i = first[v]; i < first[v + 1]; i++)
        if (atomicCAS(&level[edges[i]], -1, depth + 1) == -1) *more = 1;
}
