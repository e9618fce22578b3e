#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace banger::vm {

// The probe's guest: where its parts lie in its one 2 MiB of memory, and its code.

inline constexpr std::uint64_t kGuestMemory = 2 << 20;
inline constexpr std::uint64_t kPageTables = 0x1000;  ///< PML4, PDPT, PD: one page each
inline constexpr std::uint64_t kGdt = 0x4000;
inline constexpr std::uint64_t kIdt = 0x5000;
inline constexpr std::uint64_t kCode = 0x6000;
inline constexpr std::uint64_t kInt3Handler = 0x7000;
inline constexpr std::uint64_t kXsaveArea = 0x8000;
inline constexpr std::uint64_t kStackTop = 0x10000;
inline constexpr std::uint16_t kCodeSelector = 0x08;
inline constexpr std::uint16_t kDonePort = 0x3f8;
/// Two instructions each: some 10 ms on a processor, far beyond the deadline by interpretation.
inline constexpr std::uint32_t kLoops = 20'000'000;

inline constexpr std::array<std::uint8_t, 34> kGuestCode{
    0xcc,  // int3
    0xbf,
    0x00,
    0x80,
    0x00,
    0x00,  // mov edi, kXsaveArea
    0xb8,
    0x01,
    0x00,
    0x00,
    0x00,  // mov eax, 1 (x87)
    0x31,
    0xd2,  // xor edx, edx
    0x48,
    0x0f,
    0xae,
    0x2f,  // xrstor64 [rdi]
    0xb9,
    kLoops & 0xff,
    kLoops >> 8 & 0xff,
    kLoops >> 16 & 0xff,
    kLoops >> 24,  // mov ecx, kLoops
    0xff,
    0xc9,  // loop: dec ecx
    0x75,
    0xfc,  // jnz loop
    0x66,
    0xba,
    0xf8,
    0x03,  // mov dx, kDonePort
    0x89,
    0xd8,  // mov eax, ebx
    0xee,  // out dx, al
    0xf4,  // hlt
};

inline constexpr std::array<std::uint8_t, 4> kGuestInt3{
    0xff, 0xc3,  // inc ebx
    0x48, 0xcf,  // iretq
};

}  // namespace banger::vm
