import Testing

/// Jobs whose bits stay what they are, on every processor and in every build, as long as the numerics version does.
@Suite struct GoldenDigestsTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  static let jobs: [(options: String, digest: String)] = [
    (
      "--scale standard",
      "930aba9cc0af8d4de12142256fbb888187e2ddab96c93dcf67e80d93d0092cfe"
    ),
    (
      "--scale standard --model mlp:64,32 --activation tanh --optimizer rmsprop --centered yes --momentum 0.9 "
        + "--schedule cosine --epochs 2",
      "75d3f745a731a9c2b419fa1054f261a81dcb7d9127e59fa6ad2e5241a43e51e8"
    ),
    (
      "--scale standard --model mlp:48 --activation gelu --dropout 0.3 --optimizer lamb --weight-decay 0.01 "
        + "--schedule exponential --schedule-factor 0.9 --epochs 2",
      "a43beb8116096f8a91757e46ecff814740bc9c7a52dfa4ce46600c5893f18de9"
    ),
    (
      "--scale standard --model mlp:40 --activation sigmoid --optimizer blend --blend auto --clip-norm 1 "
        + "--micro-batches 5 --epochs 2",
      "b6fe34705659944c28d715d74665e88c81a052da58f15a4cbbd66a6f7f03d345"
    ),
    (
      "--scale standard --model linear --loss mse --optimizer nadam --schedule polynomial --warmup 5 --epochs 2",
      "4f00231b12fbf3f1d883c840fe10ff80eca383cf946724ed4c5c96b2bc3632c0"
    ),
    (
      "--data none --model quadratic:20,100 --optimizer adadelta --steps 50 --micro-batches 4",
      "1be8bda42f4602ed73e8d6e41e90937ef98f55c1c0998c32e89f09d0f7d30f96"
    ),
    (
      "--scale standard --model mlp:40 --optimizer sgd --schedule hypergradient --epochs 2",
      "0e42b45b6108e2978461f58eb74a088fe2adfd7d8bf3cecc3086607c7e37e4a2"
    ),
    (
      "--model cnn:8,16 --hidden 32 --epochs 2",
      "121398e06dc0280b706643afa7f1ef879bbfbf96f76f18c1d619fe966f328d81"
    ),
    (
      "--model resnet:1,1 --channels 8,16 --optimizer momentum --epochs 2",
      "8363b9bbb057aaa38f7c453b4f147943ff640f798d087884add7310ca0d0039b"
    ),
    (
      "--model resnet:1,1 --channels 8,16 --norm batch --epochs 2",
      "9f9d566ded006876291e6bf00250a1f78add70b5d28914eea5676112a6633a2f"
    ),
    (
      "--model transformer --data text:POEM --layers 2 --heads 2 --width 32 --context 16 --batch-size 24 --steps 30 "
        + "--evaluate-every 10",
      "b0bc537d8293f24595a96e8672c5d680541087667daf5c1292ee5ac835c6585f"
    ),
    (
      "--scale standard --model mlp:1024,300 --precision bf16 --epochs 1",
      "4688f93daa985d7aa412330bc4a3e9d4b881462878f07defd28224d473716e0c"
    ),
    (
      "--model resnet:1,1 --channels 8,16 --norm batch --precision bf16 --epochs 2",
      "6140c0f6dc24fec27a77835992b559bafc5c9f833b2cbd5c0ff374cfada8f896"
    ),
    (
      "--model transformer --data text:POEM --layers 2 --heads 2 --width 32 --context 16 --batch-size 24 --steps 30 "
        + "--evaluate-every 10 --precision bf16",
      "bb0aa48df1fabe07dc019044ee7783839baebc82cc39d5f90385ab5ceefa16a5"
    ),
    (
      "--scale standard --model mlp:64,32 --micro-batches 8 --local-steps 5 --replicas 4 --epochs 3",
      "9f6ff68e9d70864c95aabc2694f70d679122dbc8722aaab3beba649778b6d87e"
    ),
    (
      "--model resnet:1,1 --channels 8,16 --norm batch --optimizer momentum --precision bf16 --local-steps 4 "
        + "--replicas 2 --epochs 2",
      "a44338526d6a89d2e7d26b7f06aa20d39cf6793e95c5753e6a6b3e3c6d6be757"
    ),
    (
      "--scale standard --model mlp:48 --dropout 0.3 --optimizer rmsprop --centered yes --momentum 0.9 --clip-norm 1 "
        + "--micro-batches 12 --local-steps 7 --replicas 3 --outer-learning-rate 0.7 --epochs 2",
      "8b64240e668ec768ab404d3e300fe684e29ac4760a7d4b9db72b61915272f821"
    ),
  ]

  @Test(arguments: jobs)
  func theDigest(_ options: String, _ digest: String) throws {
    let poem = (0..<40).map { "line \($0): \($0 * $0 * 7919 % 1000) green bottles\n" }.joined()
    _ = try scratch.file("poem.txt", poem)
    let words = options.split(separator: " ").map { String($0).replacing("POEM", with: scratch.path("poem.txt")) }
    try succeed(["train", "--output", "run"] + words, in: scratch)
    let found = try Summary(scratch.path("run")).parameters_sha256
    #expect(found == digest, "has the arithmetic changed? Then so must Numerics.version")
  }
}
