#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11/algorithm.hpp>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pipelines/io/json_writers.hpp"

namespace banger {

// Described structs (BOOST_DESCRIBE_STRUCT) and enums (BOOST_DESCRIBE_ENUM) to and from JSON.
// value_to of Boost.JSON 1.81 rejects unknown and missing keys, hence a reader of our own.

/// Parses one JSON text. Throws Error{invalid_argument} naming `what`; depth at most 32, duplicate
/// keys: last wins.
boost::json::value parse_json(std::string_view text, std::string_view what);

/// The same of what strangers wrote: with check_foreign_json of pipelines/io/json_check.hpp.
boost::json::value parse_foreign_json(std::string_view text, std::string_view what);

namespace detail {

template <class T>
concept Described = boost::describe::has_describe_members<T>::value && !std::is_union_v<T>;
template <class T>
concept DescribedEnum = boost::describe::has_describe_enumerators<T>::value;
template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

template <class T>
using MembersOf = boost::describe::describe_members<T, boost::describe::mod_public |
                                                           boost::describe::mod_inherited>;

std::string key_path(std::string_view path, std::string_view key);
std::string index_path(std::string_view path, std::size_t index);
/// "disks[1].path: expected a string"; an empty path leaves out the part before the colon.
[[noreturn]] void fail_expected(std::string_view path, std::string_view what);
/// An integer within [min, max]; `max` as unsigned so that every integer type fits.
std::int64_t read_signed(const boost::json::value& value, std::int64_t min, std::int64_t max,
                         std::string_view path);
std::uint64_t read_unsigned(const boost::json::value& value, std::uint64_t max,
                            std::string_view path);

template <class T>
concept Leaf = std::is_arithmetic_v<T> || std::same_as<T, std::string> ||
               std::same_as<T, boost::json::value> || std::same_as<T, boost::json::object> ||
               std::same_as<T, boost::json::array>;

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class Writer, Leaf T>
void write(Writer out, const T& value) {
    out.leaf(value);
}
template <class Writer, DescribedEnum T>
void write(Writer out, T value) {
    out.leaf(boost::describe::enum_to_string(value, ""));
}
template <class Writer, class T>
void write(Writer out, const std::optional<T>& value);
template <class Writer, class T>
void write(Writer out, const std::vector<T>& values);
template <class Writer, class T>
void write(Writer out, const std::map<std::string, T>& values);
template <class Writer, Described T>
void write(Writer out, const T& value);

template <class Writer, class T>
void write(Writer out, const std::optional<T>& value) {
    if (value) {
        write(out, *value);
    } else {
        out.leaf(nullptr);
    }
}

template <class Writer, class T>
void write(Writer out, const std::vector<T>& values) {
    auto array = out.array(values.size());
    for (const auto& item : values)
        write(array.next(), item);
    array.end();
}

template <class Writer, class T>
void write(Writer out, const std::map<std::string, T>& values) {
    auto object = out.object(values.size());
    for (const auto& [key, item] : values)
        write(object.member(key), item);
    object.end();
}

template <class Writer, Described T>
void write(Writer out, const T& value) {
    auto object = out.object(boost::mp11::mp_size<MembersOf<T>>::value);
    boost::mp11::mp_for_each<MembersOf<T>>([&](auto member) {
        const auto& field = value.*member.pointer;
        if constexpr (kIsOptional<std::remove_cvref_t<decltype(field)>>) {
            if (!field) return;
        }
        write(object.member(member.name), field);
    });
    object.end();
}

void read(const boost::json::value& value, bool& out, std::string_view path);
void read(const boost::json::value& value, double& out, std::string_view path);
void read(const boost::json::value& value, std::string& out, std::string_view path);
void read(const boost::json::value& value, boost::json::value& out, std::string_view path);
void read(const boost::json::value& value, boost::json::object& out, std::string_view path);
void read(const boost::json::value& value, boost::json::array& out, std::string_view path);
template <class T>
void read(const boost::json::value& value, std::optional<T>& out, std::string_view path);
template <class T>
void read(const boost::json::value& value, std::vector<T>& out, std::string_view path);
template <class T>
void read(const boost::json::value& value, std::map<std::string, T>& out, std::string_view path);
template <Described T>
void read(const boost::json::value& value, T& out, std::string_view path);

template <Integer T>
void read(const boost::json::value& value, T& out, std::string_view path) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_signed_v<T>) {
        out = static_cast<T>(read_signed(value, Limits::min(), Limits::max(), path));
    } else {
        out = static_cast<T>(read_unsigned(value, Limits::max(), path));
    }
}

template <DescribedEnum T>
void read(const boost::json::value& value, T& out, std::string_view path) {
    std::string text;
    read(value, text, path);
    bool found = false;
    std::string names;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto enumerator) {
        if (text == enumerator.name) {
            out = enumerator.value;
            found = true;
        }
        names += std::string(names.empty() ? "" : ", ") + enumerator.name;
    });
    if (!found) fail_expected(path, "one of " + names);
}

template <class T>
void read(const boost::json::value& value, std::optional<T>& out, std::string_view path) {
    out.reset();
    if (!value.is_null()) read(value, out.emplace(), path);
}

template <class T>
void read(const boost::json::value& value, std::vector<T>& out, std::string_view path) {
    if (!value.is_array()) fail_expected(path, "an array");
    out.clear();
    for (const auto& item : value.get_array()) {
        T element{};
        read(item, element, index_path(path, out.size()));
        out.push_back(std::move(element));
    }
}

template <class T>
void read(const boost::json::value& value, std::map<std::string, T>& out, std::string_view path) {
    if (!value.is_object()) fail_expected(path, "an object");
    out.clear();
    for (const auto& [key, item] : value.get_object()) {
        read(item, out[std::string(key)], key_path(path, key));
    }
}

template <Described T>
void read(const boost::json::value& value, T& out, std::string_view path) {
    if (!value.is_object()) fail_expected(path, "an object");
    const auto& object = value.get_object();
    boost::mp11::mp_for_each<MembersOf<T>>([&](auto member) {
        using Field = std::remove_cvref_t<decltype(out.*member.pointer)>;
        const auto* item = object.if_contains(member.name);
        if (!item) return;
        // Encoders of other languages write an empty list or string as null.
        if (item->is_null() && !std::same_as<Field, boost::json::value>) return;
        read(*item, out.*member.pointer, key_path(path, member.name));
    });
}

}  // namespace detail

/// Every described member; empty std::optional members are left out. Enums by their described name.
template <class T>
boost::json::value to_json(const T& value) {
    boost::json::value out;
    detail::write(detail::TreeWriter(out), value);
    return out;
}

/// The same as a text, without the tree: a fraction of its cost.
template <class T>
std::string to_json_text(const T& value) {
    std::string out;
    detail::write(detail::TextWriter(out), value);
    return out;
}

/// Unknown keys are ignored; missing and null ones keep the member's default; a wrong type throws
/// Error{invalid_argument} with the path: `disks[1].path: expected a string`. Handles bool,
/// integers (range-checked), double, string, optional, vector, map<string,T>,
/// boost::json::value/object/array, described structs and described enums.
template <class T>
T from_json(const boost::json::value& value, std::string_view path = {}) {
    T out{};
    detail::read(value, out, path);
    return out;
}

}  // namespace banger
