"""What computations cost, in units of one floating-point operation of a large matrix product.

Factorisations run below a product's rate, the more so the smaller they are: LAPACK's panels cost
like n². The constants are fits to one core with AVX-512, NumPy and OpenBLAS, n = 25 … 400; they are
right to a factor of about 1.5 there.
"""

EXPM = 18  # n³: six products and scaling
FRECHET = 3 * EXPM
PHI = 50
LOGM = 60
PFAFFIAN = 60  # n³ operations that run through memory


def product(m, n, p):
    """Of an m × n by an n × p matrix."""
    return 2 * m * n * p


def lu(n):
    """LU factorisation, and so a determinant."""
    return n**3 + 200 * n**2


def solve(n, k):
    """LU factorisation and the solution for k columns; an inverse for k = n."""
    return lu(n) + (7 * n**2 / 2 + 400 * n) * k


def qr(m, n):
    """R of an m × n matrix, m ≥ n."""
    return (2 * m * n**2 - 2 * n**3 / 3) + (600 * m * n - 200 * n**2)


def adjugate(n):
    """By singular values."""
    return 10 * n**3 + 9000 * n**2
