//! In: two places that do not overlap, and a length. Out: the bytes of one in the other.

// memcpy of the x86_64 file that build-scripts/build links (--defsym there; plain cargo takes that
// of the libc at hand, which cannot be replaced everywhere). The one of compiler_builtins makes
// three `rep movs` of each copy, whose start takes longer than a whole short copy; most copies here
// are of 3 to 30 bytes. So below 16 bytes two loads overlap, SSE (which every x86_64 has) copies up
// to 512, and `rep movsb` copies what is longer.
#[cfg(all(target_arch = "x86_64", not(miri)))]
std::arch::global_asm!(
    ".pushsection .text.reach_memcpy,\"ax\",@progbits",
    ".globl reach_memcpy",
    ".type reach_memcpy,@function",
    "reach_memcpy:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 3f",
    "cmp rdx, {sse_max}",
    "ja 2f",
    // The last 16 bytes go last, over the end of what the loop copies.
    "movups xmm1, [rsi + rdx - 16]",
    "lea rcx, [rdi + rdx - 16]",
    "20: movups xmm0, [rsi]",
    "movups [rdi], xmm0",
    "add rsi, 16",
    "add rdi, 16",
    "cmp rdi, rcx",
    "jb 20b",
    "movups [rcx], xmm1",
    "ret",
    "2: mov rcx, rdx",
    "rep movsb",
    "ret",
    "3: cmp edx, 8",
    "jb 4f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    "4: cmp edx, 4",
    "jb 5f",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    // Up to three: the first, the middle one and the last.
    "5: test edx, edx",
    "je 6f",
    "mov r9d, edx",
    "shr r9d, 1",
    "movzx ecx, byte ptr [rsi]",
    "movzx r8d, byte ptr [rsi + r9]",
    "movzx r10d, byte ptr [rsi + rdx - 1]",
    "mov [rdi], cl",
    "mov [rdi + r9], r8b",
    "mov [rdi + rdx - 1], r10b",
    "6: ret",
    ".size reach_memcpy, . - reach_memcpy",
    ".popsection",
    sse_max = const SSE_MAX,
);

/// Longest copy in registers, in bytes: beyond it starting `rep movsb` pays.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const SSE_MAX: usize = 512;
