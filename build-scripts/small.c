// Parts of ring once more, short where ring's are fast: build-scripts/build links them in place of those (TWINS there).
// A handshake calls each of them a few dozen times. No branch and no index here depends on a secret.
#include <stddef.h>
#include <stdint.h>

// FIPS 180-4, 4.2.3. Those of SHA-256 (4.2.2) are the upper halves of the first 64.
static const uint64_t K[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

// How far each function of a round rotates, and third of the first two shifts: sigma0 and sigma1 of the schedule, Sigma1
// and Sigma0 of the state (FIPS 180-4, 4.1.2 and 4.1.3).
static const unsigned char OF_256[12] = {7, 18, 3, 17, 19, 10, 6, 11, 25, 2, 13, 22};
static const unsigned char OF_512[12] = {1, 8, 7, 19, 61, 6, 14, 18, 41, 28, 34, 39};

#define ROR(x, n) ((x) >> (n) | (x) << (8 * sizeof(x) - (n)))
#define SMALL(x, n) (ROR(x, (n)[0]) ^ ROR(x, (n)[1]) ^ (x) >> (n)[2])
#define LARGE(x, n) (ROR(x, (n)[0]) ^ ROR(x, (n)[1]) ^ ROR(x, (n)[2]))

// Takes whole blocks of data into the state (FIPS 180-4, 6.2.2 and 6.4.2, which differ in nothing else).
#define BLOCKS(NAME, WORD, ROUNDS, BY, CONSTANT)                                                          \
    void NAME(WORD state[8], const uint8_t *data, size_t blocks) {                                        \
        for (; blocks; blocks--) {                                                                        \
            WORD w[ROUNDS] = {0}, v[8];                                                                   \
            for (size_t i = 0; i < 16 * sizeof(WORD); i++) w[i / sizeof(WORD)] = w[i / sizeof(WORD)] << 8 | *data++; \
            for (int i = 16; i < ROUNDS; i++)                                                             \
                w[i] = w[i - 16] + SMALL(w[i - 15], BY) + w[i - 7] + SMALL(w[i - 2], BY + 3);             \
            for (int i = 0; i < 8; i++) v[i] = state[i];                                                  \
            for (int i = 0; i < ROUNDS; i++) {                                                            \
                WORD t = v[7] + LARGE(v[4], BY + 6) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + CONSTANT + w[i]; \
                WORD u = LARGE(v[0], BY + 9) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));           \
                for (int j = 7; j; j--) v[j] = v[j - 1];                                                  \
                v[4] += t;                                                                                \
                v[0] = t + u;                                                                             \
            }                                                                                             \
            for (int i = 0; i < 8; i++) state[i] += v[i];                                                 \
        }                                                                                                 \
    }

BLOCKS(reach_sha256_blocks, uint32_t, 64, OF_256, (uint32_t)(K[i] >> 32))
BLOCKS(reach_sha512_blocks, uint64_t, 80, OF_512, K[i])

// The order of Ed25519's base point (RFC 8032, 5.1): 2^252 + 27742317777372353535851937790883648493.
static const uint64_t ORDER[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};

// 64 bytes, least first, modulo the order into the first 32: a bit is added at a time.
void reach_sc_reduce(uint8_t s[64]) {
    uint64_t rest[4] = {0};
    for (int bit = 511; bit >= 0; bit--) {
        uint64_t less[4], carry = s[bit / 8] >> bit % 8 & 1, borrow = 0;
        for (int i = 0; i < 4; i++) {
            uint64_t top = rest[i] >> 63;
            rest[i] = rest[i] << 1 | carry;
            carry = top;
            unsigned __int128 difference = (unsigned __int128)rest[i] - ORDER[i] - borrow;
            less[i] = (uint64_t)difference;
            borrow = (uint64_t)(difference >> 64) & 1;
        }
        for (int i = 0; i < 4; i++) rest[i] = (rest[i] & -borrow) | (less[i] & (borrow - 1));
    }
    for (int i = 0; i < 32; i++) s[i] = (uint8_t)(rest[i / 8] >> i % 8 * 8);
}

// s = (a * b + c) modulo the order, each of 32 bytes, least first: column by column, as on paper.
void reach_sc_muladd(uint8_t s[32], const uint8_t a[32], const uint8_t b[32], const uint8_t c[32]) {
    uint8_t wide[64];
    uint32_t sum = 0;
    for (int column = 0; column < 64; column++) {
        if (column < 32) sum += c[column];
        for (int i = column < 32 ? 0 : column - 31; i <= column && i < 32; i++) sum += (uint32_t)a[i] * b[column - i];
        wide[column] = (uint8_t)sum;
        sum >>= 8;
    }
    reach_sc_reduce(wide);
    for (int i = 0; i < 32; i++) s[i] = wide[i];
}

// RSA on x86_64, from the two functions of ring that remain. r and a may be the same.
#if defined(__x86_64__) && defined(RING)
#define JOINED(a, b) a##b
#define NAME(a, b) JOINED(a, b)
#define MULTIPLY NAME(RING, bn_mul_mont_nohw)
#define GATHER NAME(RING, bn_gather5)
#define LIMBS_MAX 128 // MAX_LIMBS of ring's src/arithmetic.rs, which it has checked

void MULTIPLY(uint64_t *r, const uint64_t *a, const uint64_t *b, const uint64_t *n, const uint64_t *n0, size_t limbs);
void GATHER(uint64_t *out, size_t limbs, const uint64_t *table, size_t power);

// r = a * a / R modulo n.
void reach_sqr_mont(uint64_t *r, const uint64_t *a, uint64_t unused, const uint64_t *n, const uint64_t *n0, size_t limbs) {
    (void)unused;
    MULTIPLY(r, a, a, n, n0, limbs);
}

// r = a * table[power] / R modulo n.
void reach_mul_mont_gather5(uint64_t *r, const uint64_t *a, const uint64_t *table, const uint64_t *n, const uint64_t *n0,
                            size_t limbs, size_t power) {
    uint64_t b[LIMBS_MAX];
    GATHER(b, limbs, table, power);
    MULTIPLY(r, a, b, n, n0, limbs);
}

// r = a^32 * table[power], each product / R, modulo n.
void reach_power5(uint64_t *r, const uint64_t *a, const uint64_t *table, const uint64_t *n, const uint64_t *n0,
                  size_t limbs, size_t power) {
    for (int i = 0; i < 5; i++, a = r) MULTIPLY(r, a, a, n, n0, limbs);
    reach_mul_mont_gather5(r, r, table, n, n0, limbs, power);
}
#endif
