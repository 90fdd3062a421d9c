/* What Bun wants of libstdc++ and the older one doesn't have; both end the program. */

void _ZSt28__throw_bad_array_new_lengthv(void) { __builtin_trap(); }

void _ZSt21__glibcxx_assert_failPKciS0_S0_(void) { __builtin_trap(); }
