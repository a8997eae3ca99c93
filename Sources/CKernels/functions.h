/* Elementary functions from additions, multiplications, divisions and fused multiply-adds alone, in one order, so that
 * every processor gives the same bits. Tests/KernelsTests/Fixtures/elementary.py finds the polynomials. */

INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* eˣ = factor · scale: x = n ln 2 + r with |r| ≤ ln 2 / 2; the factor is 1 + r + r² q(r), times the smaller half of 2ⁿ,
 * and the scale the other half, so that both are normal numbers. */
INLINE float exponential_parts(float x, float *scale) {
  const float rounding = 0x1.8p23f; /* adding it leaves the nearest whole number in the low bits */
  x = x > 89.0f ? 89.0f : x;        /* e⁸⁹ is ∞, and e^−104 is 0; a NaN stays */
  x = x < -104.0f ? -104.0f : x;
  float shifted = FMA(x, 0x1.715476p+0f, rounding);
  float n = shifted - rounding;
  float r = FMA(n, -0x1.62e4p-1f, x);
  r = FMA(n, -0x1.7f7d1cp-20f, r);
  float q = 0x1.6a1a72p-10f;
  q = FMA(q, r, 0x1.123fc6p-7f);
  q = FMA(q, r, 0x1.555916p-5f);
  q = FMA(q, r, 0x1.55548ap-3f);
  q = FMA(q, r, 0x1.fffffcp-2f);
  float power = FMA(q, r * r, r) + 1.0f;
  uint32_t exponent = bits_of(shifted) - bits_of(rounding);
  uint32_t half = ((exponent + 256u) >> 1) - 128u;
  *scale = float_of((exponent - half + 127u) << 23);
  return power * float_of((half + 127u) << 23);
}

INLINE float exponential(float x) {
  float scale, factor = exponential_parts(x, &scale);
  return factor * scale;
}

/* eˣ + y. The sum is rounded once; before that, only the factor of eˣ is. */
INLINE float exponential_plus(float x, float y) {
  float scale, factor = exponential_parts(x, &scale);
  return FMA(factor, scale, y);
}

/* 1 / (1 + e) or e / (1 + e) with e = e^−|x|, which is never ∞. */
INLINE float sigmoid(float x) {
  float scale, factor = exponential_parts(-__builtin_fabsf(x), &scale);
  float numerator = x < 0.0f ? factor * scale : 1.0f;
  return numerator / FMA(factor, scale, 1.0f);
}

/* tanh x = x + x³ p(x²) near zero, where 1 − 2 / (e²ˣ + 1) would cancel. */
INLINE float hyperbolic_tangent(float x) {
  float magnitude = __builtin_fabsf(x), square = x * x;
  float p = 0x1.2248fcp-9f;
  p = FMA(p, square, -0x1.0e80b2p-7f);
  p = FMA(p, square, 0x1.640fecp-6f);
  p = FMA(p, square, -0x1.b9fafcp-5f);
  p = FMA(p, square, 0x1.1110a8p-3f);
  p = FMA(p, square, -0x1.555554p-2f);
  float near = FMA(p, square * magnitude, magnitude);
  float far = 1.0f - 2.0f / exponential_plus(2.0f * magnitude, 1.0f);
  return __builtin_copysignf(magnitude < 0.6f ? near : far, x);
}

/* The normal distribution's Φ(x) = (1 + erf(x / √2)) / 2, and *density = e^(−x² / 2). The tail beyond m = |x| is
 * density · a(m) / b(m). m² is taken in two parts, because e^(−m² / 2) would multiply its rounding. */
INLINE float normal_cdf(float x, float *density) {
  float m = __builtin_fabsf(x);
  m = m > 15.0f ? 15.0f : m; /* Φ(−15) is 0 */
  float square = m * m;
  float rest = FMA(m, m, -square);
  float e = exponential(-0.5f * square);
  e = FMA(-0.5f * rest, e, e);
  float a = 0x1.103470p-8f;
  a = FMA(a, m, 0x1.4ee9e8p-5f);
  a = FMA(a, m, 0x1.78c7b2p-3f);
  a = FMA(a, m, 0x1.c1d566p-2f);
  a = FMA(a, m, 0.5f);
  float b = 0x1.55278ep-7f;
  b = FMA(b, m, 0x1.a3c6f2p-4f);
  b = FMA(b, m, 0x1.e2bcc4p-2f);
  b = FMA(b, m, 0x1.34a04ap+0f);
  b = FMA(b, m, 0x1.ad2ce4p+0f);
  b = FMA(b, m, 1.0f);
  *density = e;
  float share = a / b;
  return x < 0.0f ? e * share : FMA(-e, share, 1.0f);
}

INLINE float gelu(float x) {
  float density;
  return x * normal_cdf(x, &density);
}

/* Φ(x) + x φ(x), where φ is the normal distribution's density. */
INLINE float gelu_derivative(float x) {
  float density, cdf = normal_cdf(x, &density);
  return FMA(x, 0x1.988454p-2f * density, cdf);
}

/* Functions of double. They are not computed in vectors. */

INLINE uint64_t bits_of_64(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
INLINE double double_of(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* x = 2ᵏ (1 + f) with 1 + f in [√½, √2). x must be positive and finite. */
INLINE double split(double x, double *exponent) {
  double scaled = x < 0x1p-1022 ? x * 0x1p54 : x;
  uint64_t bits = bits_of_64(scaled);
  int64_t k = (int64_t)(bits - 0x3fe6a09e667f3bcdu) >> 52;
  *exponent = (double)(x < 0x1p-1022 ? k - 54 : k);
  return double_of(bits - ((uint64_t)k << 52)) - 1.0;
}
#define LN2_HIGH 0x1.62e42fefa2p-1 /* times a whole number below 2¹², it is exact */
#define LN2_LOW 0x1.9ef35793c7673p-41

/* 2 / 5 + 2 z / 7 + 2 z² / 9 + … With s = f / (2 + f) and z = s²: log(1 + f) = 2 s + s z (2 / 3 + z · this). */
INLINE double logarithm_series(double z) {
  double r = 2.0 / 23.0;
  r = FMA64(r, z, 2.0 / 21.0);
  r = FMA64(r, z, 2.0 / 19.0);
  r = FMA64(r, z, 2.0 / 17.0);
  r = FMA64(r, z, 2.0 / 15.0);
  r = FMA64(r, z, 2.0 / 13.0);
  r = FMA64(r, z, 2.0 / 11.0);
  r = FMA64(r, z, 2.0 / 9.0);
  r = FMA64(r, z, 2.0 / 7.0);
  return FMA64(r, z, 2.0 / 5.0);
}

/* log x. With s = f / (2 + f), 2 s = f − f² / 2 + s f² / 2, which keeps f exact. */
static double logarithm(double x) {
  if (!(x > 0.0)) return x == 0.0 ? -__builtin_inf() : __builtin_nan("");
  if (x > 0x1.fffffffffffffp1023) return x;
  double k, f = split(x, &k);
  double s = f / (2.0 + f), z = s * s, half = 0.5 * f;
  double r = FMA64(logarithm_series(z), z, 2.0 / 3.0) * z;
  double low = FMA64(s, FMA64(half, f, r), k * LN2_LOW);
  return FMA64(k, LN2_HIGH, f - FMA64(half, f, -low));
}

/* e^(x + tail), where |tail| is at most about 1e-13: x = n ln 2 + r, then the Taylor polynomial. */
INLINE double exponential_of_sum(double x, double tail) {
  const double rounding = 0x1.8p52;
  if (!(x < 710.0)) return x >= 710.0 ? __builtin_inf() : x;
  if (x < -746.0) return 0.0;
  double shifted = FMA64(x, 0x1.71547652b82fep+0, rounding);
  double n = shifted - rounding;
  double high = FMA64(n, -LN2_HIGH, x), low = FMA64(n, -LN2_LOW, tail);
  double r = high + low;
  double rest = (high - r) + low;
  double q = 1.0 / 6227020800.0;
  q = FMA64(q, r, 1.0 / 479001600.0);
  q = FMA64(q, r, 1.0 / 39916800.0);
  q = FMA64(q, r, 1.0 / 3628800.0);
  q = FMA64(q, r, 1.0 / 362880.0);
  q = FMA64(q, r, 1.0 / 40320.0);
  q = FMA64(q, r, 1.0 / 5040.0);
  q = FMA64(q, r, 1.0 / 720.0);
  q = FMA64(q, r, 1.0 / 120.0);
  q = FMA64(q, r, 1.0 / 24.0);
  q = FMA64(q, r, 1.0 / 6.0);
  q = FMA64(q, r, 0.5);
  double power = 1.0 + (r + FMA64(q, r * r, rest));
  int64_t exponent = (int64_t)n, half = exponent / 2;
  return power * double_of((uint64_t)(half + 1023) << 52) * double_of((uint64_t)(exponent - half + 1023) << 52);
}

static double exponential_64(double x) { return exponential_of_sum(x, 0.0); }

/* Keeps a product from being fused with a sum where the product itself is needed. */
INLINE double rounded(double x) {
  __asm__("" : "+m"(x));
  return x;
}

/* base^exponent of a base that is not negative. The logarithm is a sum of two doubles: 2 s with the rest of the
 * division, and s z · 2 / 3 with the rests of its products. */
static double power(double base, double exponent) {
  if (exponent == 0.0 || base == 1.0) return 1.0;
  if (!(base >= 0.0) || exponent != exponent) return __builtin_nan("");
  if (base == 0.0 || base > 0x1.fffffffffffffp1023) return (base == 0.0) == (exponent > 0.0) ? 0.0 : __builtin_inf();
  double k, f = split(base, &k);
  double d = 2.0 + f, d_rest = f - (d - 2.0);
  double s = f / d, s_rest = FMA64(-s, d_rest, FMA64(-s, d, f)) / d;
  double z = s * s, z_rest = FMA64(2.0 * s, s_rest, FMA64(s, s, -z));
  double cube = s * z, cube_rest = FMA64(s, z, -cube) + FMA64(s, z_rest, s_rest * z);
  double third = rounded(cube * (2.0 / 3.0));
  double third_rest = FMA64(cube, 2.0 / 3.0, -third) + FMA64(cube, 0x1.5555555555555p-55, cube_rest * (2.0 / 3.0));
  double rest = FMA64(cube * z, logarithm_series(z), third_rest);
  /* k LN2_HIGH + 2 s + third, each sum with its rest. */
  double a = rounded(k * LN2_HIGH), b = 2.0 * s;
  double high = a + b, ab = high - a, low = (a - (high - ab)) + (b - ab);
  double sum = high + third, st = sum - high;
  low += (high - (sum - st)) + (third - st);
  low += FMA64(k, LN2_LOW, 2.0 * s_rest) + rest;
  high = sum + low;
  low = (sum - high) + low;
  double product = exponent * high;
  if (product >= 710.0) return __builtin_inf();
  if (product < -746.0) return 0.0;
  return exponential_of_sum(product, FMA64(exponent, low, FMA64(exponent, high, -product)));
}

#define PI_HIGH 0x1.921fb54442d18p+1
#define PI_LOW 0x1.1a62633145c07p-53
/* sin πr and cos πr of |r| ≤ ¼, by their Taylor polynomials. */
INLINE double sine_near_zero(double r) {
  double z = r * r;
  double p = 0x1.aaec32af93359p-21;
  p = FMA64(p, z, -0x1.6fadb9f155744p-16);
  p = FMA64(p, z, 0x1.e8f434d018d63p-12);
  p = FMA64(p, z, -0x1.e3074fde8871fp-8);
  p = FMA64(p, z, 0x1.50783487ee782p-4);
  p = FMA64(p, z, -0x1.32d2cce62bd86p-1);
  p = FMA64(p, z, 0x1.466bc6775aae2p+1);
  p = FMA64(p, z, -0x1.4abbce625be53p+2);
  return FMA64(r, PI_HIGH, FMA64(r, PI_LOW, p * (z * r)));
}
/* 1 − π² r² / 2 with its rest, then the other terms. */
INLINE double cosine_near_zero(double r) {
  const double half_square = 0x1.3bd3cc9be45dep+2; /* π² / 2 */
  double z = r * r, z_rest = FMA64(r, r, -z);
  double p = 0x1.20c62c2f2d7f5p-18;
  p = FMA64(p, z, -0x1.b6e24f44b128fp-14);
  p = FMA64(p, z, 0x1.f9d38a3763cc3p-10);
  p = FMA64(p, z, -0x1.a6d1f2a204a8cp-6);
  p = FMA64(p, z, 0x1.e1f506891babbp-3);
  p = FMA64(p, z, -0x1.55d3c7e3cbffap+0);
  p = FMA64(p, z, 0x1.03c1f081b5ac4p+2);
  double high = FMA64(-half_square, z, 1.0);
  double rest = FMA64(-half_square, z, 1.0 - high);
  rest = FMA64(-half_square, z_rest, rest);
  return high + FMA64(p * z, z, rest);
}

/* sin πx and cos πx of |x| ≤ 2³⁰: x = n / 2 + r, exactly. */
INLINE double sine_of_turns(double x, uint64_t quarters) {
  const double rounding = 0x1.8p52;
  double n = FMA64(x, 2.0, rounding) - rounding;
  double r = FMA64(n, -0.5, x);
  uint64_t quarter = ((uint64_t)(int64_t)n + quarters) % 4;
  double y = quarter % 2 == 0 ? sine_near_zero(r) : cosine_near_zero(r);
  return quarter < 2 ? y : -y;
}
static double sine_of_pi(double x) { return sine_of_turns(x, 0); }
static double cosine_of_pi(double x) { return sine_of_turns(x, 1); }
