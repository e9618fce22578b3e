#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "test/support/oci_builder.hpp"
#include "test/support/tar_builder.hpp"

namespace banger::test {

/// Entries of the tars of an image, oldest layer first.
using LayerStack = std::vector<std::vector<TarEntry>>;

/// A small stack of everything that layers do to each other: creates, replacements, changes of
/// type, whiteouts, opaque directories, hard links, symlinked parents, missing parents, odd names.
/// The same seed gives the same stack. Left out is what people who apply layers do not agree on;
/// the definition says each.
LayerStack random_stack(std::uint64_t seed);

ImageSpec image_of(const LayerStack& stack, Packing packing);

/// A line for each entry, layers apart.
std::string describe(const LayerStack& stack);

/// The least part of a stack for which `fails` still holds: of it, no layer and no entry can be
/// left out. `fails` holds for the stack itself.
LayerStack reduce(LayerStack stack, const std::function<bool(const LayerStack&)>& fails);

}  // namespace banger::test
