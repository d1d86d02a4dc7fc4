#include "error_codec.hpp"

#include <gtest/gtest.h>

namespace vectorizer::rpc {
namespace {

TEST(ErrorCodec, EveryTypeComesBackWithMessageAndDetails) {
  for (int i = 0; i <= static_cast<int>(ErrorType::kTimeout); ++i) {
    const Error error = Error{static_cast<ErrorType>(i), "it \xff is so"}.with("expected", 512).with("node", "n\"1");
    wire::Error sent;
    encode_error(error, sent);
    wire::Error received;
    ASSERT_TRUE(received.ParseFromString(sent.SerializeAsString()));
    const Error back = decode_error(received);
    EXPECT_EQ(back.type, error.type) << i;
    EXPECT_EQ(back.message, error.message);
    EXPECT_EQ(back.details, error.details);
  }
}

TEST(ErrorCodec, ATypeOfAnotherVersionIsInternal) {
  wire::Error received;
  received.set_type("invented_later");
  received.set_message("m");
  EXPECT_EQ(decode_error(received).type, ErrorType::kInternal);
  EXPECT_EQ(decode_error(received).message, "m");
}

TEST(ErrorCodec, ARefusalIsReadFromItsStatusAndNoOtherStatusIsOne) {
  const auto status =
      refusal(grpc::StatusCode::FAILED_PRECONDITION, Error{ErrorType::kForbidden, "no"}.with("reason", "stranger"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const auto error = refusal_of(status);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->type, ErrorType::kForbidden);
  EXPECT_EQ(error->details, R"({"reason":"stranger"})");
  EXPECT_FALSE(refusal_of(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no")));
  EXPECT_FALSE(refusal_of(grpc::Status(grpc::StatusCode::UNAVAILABLE, "no", "\xff\xff")));
}

TEST(ErrorCodec, ARefusalFitsIntoMetadata) {
  const auto status = refusal(grpc::StatusCode::UNAVAILABLE, Error{ErrorType::kInternal, std::string(100'000, 'x')});
  EXPECT_LT(status.error_details().size() + status.error_message().size(), 4096U);
}

}  // namespace
}  // namespace vectorizer::rpc
