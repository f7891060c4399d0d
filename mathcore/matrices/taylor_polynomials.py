"""Taylor polynomials of the exponential in few products, as data and as array expressions.

T8: Bader, Blanes & Casas, Mathematics 7 (2019) 1174. T15+ and T21+: Sastre, Ibáñez & Defez, Appl.
Math. Comput. 340 (2019) 206–220; the "+" says that terms beyond the degree are partly matched.
"""

import math
import operator

from mathcore import _arrays
from mathcore.matrices.linear_combinations import combination, combinations

# Largest ‖A^k‖^{1/k} that keeps the backward error of T4, T8, T15+, T21+ below the unit roundoff.
THETA = {32: (0.0512, 0.580, 2.346, 3.950), 64: (3.397e-4, 0.04991, 0.6242, 1.6827)}

_R = math.sqrt(177.0)
T8 = (
    (1 + _R) / 132,
    (1 + _R) / 528,
    2 / 3,
    (-271 + 29 * _R) / 210,
    11 * (-1 + _R) / 840,
    11 * (-9 + _R) / 3360,
    (89 - _R) / 2240,
    (857 - 58 * _R) / 630,
)
T15 = (
    4.018761610201036e-4,
    2.945531440279683e-3,
    -8.709066576837676e-3,
    4.017568440673568e-1,
    3.230762888122312e-2,
    5.768988513026145e0,
    2.338576034271299e-2,
    2.381070373870987e-1,
    2.224209172496374e0,
    -5.792361707073261e0,
    -4.130276365929783e-2,
    1.040801735231354e1,
    -6.331712455883370e1,
    3.484665863364574e-1,
)
T21 = (
    0.000001161658834444880406272193,
    0.000004500852739573010071532832,
    0.00005374708803114820360639605,
    0.002005403977292901458617706,
    0.06974348269544424312835862,
    0.9418613214806352212991451,
    0.002852960512714315000629857,
    -0.007544837153586670795143074,
    1.829773504500423754978509,
    0.03151382711608315321378252,
    0.1392249143769798228028454,
    -0.002269101241269351089363611,
    -0.05394098846866401963928324,
    0.3112216227982407393782152,
    9.343851261938046512315769,
    0.6865706355662834041630062,
    3.233370163085379859452255,
    -5.726379787260966389608996,
    -0.01413550099309667053879458,
    -0.1638413114712015580505997,
)


def taylor_4(identity, a, a2):
    """Two products, A² included."""
    p = combination((1 / 24, 1 / 6, 1 / 2), a2, a, identity)
    return combination((1, 1, 1), a2 @ p, a, identity)


def taylor_8(identity, a, a2):
    """Three products, A² included; eq. (11)–(13) of Bader, Blanes & Casas 2019."""
    x1, x2, x3, x4, x5, x6, x7, y2 = T8
    a4 = a2 @ combination((x2, x1), a2, a)
    q, r = combinations((a4, a2, a, identity), (1, x3), (x7, x6, x5, x4))
    return combination((1, y2, 1, 1), q @ r, a2, a, identity)


def taylor_15(identity, a, a2):
    """Four products, A² included."""
    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14 = T15
    y0 = a2 @ combination((c1, c2), a2, a)
    q, r = combinations((y0, a2, a), (1, c3, c4), (1, c5))
    y1, u, v = combinations(
        (q @ r, y0, a2, a),
        (1, c6, c7),
        (0, 0, c8, c9, 1),
        (0, c10, 0, c11, 1),
    )
    return combination((1, c12, c13, c14, 1, 1), u @ v, y1, y0, a2, a, identity)


def taylor_21(identity, a, a2, a3, product=operator.matmul):
    """Five products, A² and A³ included."""
    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 = T21[:10]
    c11, c12, c13, c14, c15, c16, c17, c18, c19, c20 = T21[10:]
    y0 = product(a3, combination((c1, c2, c3), a3, a2, a))
    y1, u, v = combinations(
        (product(*combinations((y0, a3, a2, a), (1, c4, c5, c6), (1, c7, c8))), y0, a3, a2, a),
        (1, c9, c10, c11),
        (0, 0, c12, c13, c14, 1),
        (0, c15, 0, 0, c16, 1),
    )
    uv = product(u, v)
    del u, v
    return combination((1, c17, c18, c19, c20, 1, 1), uv, y1, y0, a3, a2, a, identity)


def identity_like(xp, a):
    """The identity matrix in the dtype and on the device of `a`."""
    return xp.eye(a.shape[-1], dtype=a.dtype, device=_arrays.device(a))
