#pragma once

#include <boost/json.hpp>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace banger::detail {

// The two ways in which to_json and to_json_text walk a described value. leaf, array or object is
// called once; what array and object give is ended with end().

/// Writes one value into a tree.
class TreeWriter {
  public:
    class Array {
      public:
        Array(boost::json::array& array, std::size_t size) : array_(array) { array.reserve(size); }
        TreeWriter next() { return TreeWriter(array_.emplace_back(nullptr)); }
        void end() {}

      private:
        boost::json::array& array_;
    };

    class Object {
      public:
        Object(boost::json::object& object, std::size_t size) : object_(object) {
            object.reserve(size);
        }
        TreeWriter member(std::string_view key) { return TreeWriter(object_[key]); }
        void end() {}

      private:
        boost::json::object& object_;
    };

    explicit TreeWriter(boost::json::value& out) : out_(out) {}
    template <class T>
    void leaf(const T& value) {
        out_ = value;
    }
    Array array(std::size_t size) { return {out_.emplace_array(), size}; }
    Object object(std::size_t size) { return {out_.emplace_object(), size}; }

  private:
    boost::json::value& out_;
};

/// Appends one value to a text; the same text as that of the tree.
class TextWriter {
  public:
    class Array {
      public:
        explicit Array(std::string& out) : out_(out) { out += '['; }
        TextWriter next();
        void end() { out_ += ']'; }

      private:
        std::string& out_;
        bool is_first_ = true;
    };

    class Object {
      public:
        explicit Object(std::string& out) : out_(out) { out += '{'; }
        TextWriter member(std::string_view key);
        void end() { out_ += '}'; }

      private:
        std::string& out_;
        bool is_first_ = true;
    };

    explicit TextWriter(std::string& out) : out_(out) {}
    void leaf(std::nullptr_t) { out_ += "null"; }
    void leaf(std::string_view value);
    void leaf(const std::string& value) { leaf(std::string_view(value)); }
    void leaf(const char* value) { leaf(std::string_view(value)); }
    void leaf(bool value) { out_ += value ? "true" : "false"; }
    void leaf(std::integral auto value) {
        if constexpr (std::is_signed_v<decltype(value)>) {
            integer(std::int64_t{value});
        } else {
            integer(std::uint64_t{value});
        }
    }
    void leaf(double value) { leaf(boost::json::value(value)); }
    void leaf(const boost::json::value& value);
    Array array(std::size_t) { return Array(out_); }
    Object object(std::size_t) { return Object(out_); }

  private:
    void integer(std::int64_t value);
    void integer(std::uint64_t value);

    std::string& out_;
};

}  // namespace banger::detail
