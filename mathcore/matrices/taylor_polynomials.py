"""Taylor polynomials of the exponential in few products, as data and as array expressions.

T8: Bader, Blanes & Casas, Mathematics 7 (2019) 1174. T15+ and T21+: Sastre, Ibáñez & Defez, Appl.
Math. Comput. 340 (2019) 206–220; the "+" says that terms beyond the degree are partly matched.
"""

import math

from mathcore import _arrays

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
    return identity + a + a2 @ (identity / 2 + a / 6 + a2 / 24)


def taylor_8(identity, a, a2):
    """Three products, A² included; eq. (11)–(13) of Bader, Blanes & Casas 2019."""
    x1, x2, x3, x4, x5, x6, x7, y2 = T8
    a4 = a2 @ (x1 * a + x2 * a2)
    a8 = (x3 * a2 + a4) @ (x4 * identity + x5 * a + x6 * a2 + x7 * a4)
    return identity + a + y2 * a2 + a8


def taylor_15(identity, a, a2):
    """Four products, A² included."""
    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14 = T15
    y0 = a2 @ (c1 * a2 + c2 * a)
    y1 = (y0 + c3 * a2 + c4 * a) @ (y0 + c5 * a2) + c6 * y0 + c7 * a2
    y2 = (y1 + c8 * a2 + c9 * a) @ (y1 + c10 * y0 + c11 * a)
    return y2 + c12 * y1 + c13 * y0 + c14 * a2 + a + identity


def taylor_21(identity, a, a2, a3):
    """Five products, A² and A³ included."""
    return taylor_21_with_factors(identity, a, a2, a3)[0]


def taylor_21_with_factors(identity, a, a2, a3):
    """`taylor_21`, and the factors (p, q, r, u, v) of its products A³p, qr, uv."""
    c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 = T21[:10]
    c11, c12, c13, c14, c15, c16, c17, c18, c19, c20 = T21[10:]
    p = c1 * a3 + c2 * a2 + c3 * a
    y0 = a3 @ p
    q, r = y0 + c4 * a3 + c5 * a2 + c6 * a, y0 + c7 * a3 + c8 * a2
    y1 = q @ r + c9 * y0 + c10 * a3 + c11 * a2
    u, v = y1 + c12 * a3 + c13 * a2 + c14 * a, y1 + c15 * y0 + c16 * a
    x = u @ v + c17 * y1 + c18 * y0 + c19 * a3 + c20 * a2 + a + identity
    return x, (p, q, r, u, v)


def identity_like(xp, a):
    """The identity matrix in the dtype and on the device of `a`."""
    return xp.eye(a.shape[-1], dtype=a.dtype, device=_arrays.device(a))
