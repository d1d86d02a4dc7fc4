#include "secret.hpp"

#include <gtest/gtest.h>

#include "big_endian.hpp"

namespace vectorizer::rpc {
namespace {

using Verdict = SessionTable::Verdict;

std::string to_hex(const std::string& bytes) {
  std::string out;
  for (const unsigned char byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::unique_ptr<CallProver> open(SessionTable& table, const std::string& secret) {
  const std::string nonce(kNonceBytes, 'n');
  auto opened = table.open(nonce);
  EXPECT_TRUE(opened);
  return std::make_unique<CallProver>(opened->session, session_key(secret, nonce, opened->server_nonce));
}

TEST(Secret, HmacOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(SessionTable, ACallIsProvenOnce) {
  SessionTable table("s3cret");
  auto prover = open(table, "s3cret");
  const auto proof = prover->prove("search");
  EXPECT_EQ(table.check(proof, "search"), Verdict::kProven);
  EXPECT_EQ(table.check(proof, "search"), Verdict::kReplayed);
  EXPECT_EQ(table.check(prover->prove("search"), "search"), Verdict::kProven);
}

TEST(SessionTable, WhatWasProvenCannotBeChanged) {
  SessionTable table("s3cret");
  auto prover = open(table, "s3cret");
  EXPECT_EQ(table.check(prover->prove("search"), "write"), Verdict::kWrong);
  auto other_number = prover->prove("search");
  other_number[15] ^= 4;
  EXPECT_EQ(table.check(other_number, "search"), Verdict::kWrong);
  EXPECT_EQ(table.check(std::nullopt, "search"), Verdict::kMissing);
  EXPECT_EQ(table.check("short", "search"), Verdict::kWrong);
}

TEST(SessionTable, AnotherSecretIsWrong) {
  SessionTable table("s3cret");
  EXPECT_EQ(table.check(open(table, "other")->prove("search"), "search"), Verdict::kWrong);
}

TEST(SessionTable, CallsMayArriveInAnyOrder) {
  SessionTable table("s3cret");
  auto prover = open(table, "s3cret");
  std::vector<std::string> proofs;
  for (int i = 0; i < 4000; ++i) proofs.push_back(prover->prove("x"));
  for (auto proof = proofs.rbegin(); proof != proofs.rend(); ++proof)
    ASSERT_EQ(table.check(*proof, "x"), Verdict::kProven);
  for (const auto& proof : proofs) ASSERT_EQ(table.check(proof, "x"), Verdict::kReplayed);
}

TEST(SessionTable, ANumberTooOldToTellNeedsAnotherSession) {
  SessionTable table("s3cret");
  auto prover = open(table, "s3cret");
  const auto old = prover->prove("x");
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(table.check(prover->prove("x"), "x"), Verdict::kProven);
  EXPECT_EQ(table.check(old, "x"), Verdict::kUnknownSession);
}

TEST(SessionTable, SessionsOfStrangersDoNotPushOutProvenOnes) {
  SessionTable table("s3cret");
  auto prover = open(table, "s3cret");
  ASSERT_EQ(table.check(prover->prove("x"), "x"), Verdict::kProven);
  auto unproven = open(table, "s3cret");
  for (int i = 0; i < 2000; ++i) open(table, "other");
  EXPECT_EQ(table.check(prover->prove("x"), "x"), Verdict::kProven);
  EXPECT_EQ(table.check(unproven->prove("x"), "x"), Verdict::kUnknownSession);
}

TEST(SessionTable, OnlyAWholeNonceOpensASession) {
  SessionTable table("s3cret");
  EXPECT_FALSE(table.open("short"));
}

}  // namespace
}  // namespace vectorizer::rpc
