"""Fine-tune a small model with the official SDK, on this machine."""

import numpy as np
import tinker
from tinker import types
from tokenizers import Tokenizer

PAIRS = {
    "banana split": "anana-bay plit-say",
    "quantum physics": "uantum-qay ysics-phay",
    "donut shop": "onut-day op-shay",
    "coffee break": "offee-cay eak-bray",
}

service = tinker.ServiceClient()  # TINKER_BASE_URL and TINKER_API_KEY say where and who
print("models:", [one.model_name for one in tinker.RestClient().get_server_capabilities().result().supported_models])

trainer = service.create_lora_training_client(base_model="tinkex/tiny", rank=16).result()
# With transformers installed, trainer.get_tokenizer() is the same.
tokenizer = Tokenizer.from_file(f"{trainer.get_info().model_data.tokenizer_id}/tokenizer.json")


def question(english: str) -> str:
    return f"English: {english}\nPig Latin:"


def example(english: str, pig_latin: str) -> types.Datum:
    prompt = tokenizer.encode(question(english)).ids
    answer = tokenizer.encode(f" {pig_latin}\n").ids
    tokens = prompt + answer
    weights = [0.0] * len(prompt) + [1.0] * len(answer)
    inputs = {
        "target_tokens": types.TensorData.from_numpy(np.array(tokens[1:])),
        "weights": types.TensorData.from_numpy(np.array(weights[1:], np.float32)),
    }
    return types.Datum(model_input=types.ModelInput.from_ints(tokens[:-1]), loss_fn_inputs=inputs)


batch = [example(*pair) for pair in PAIRS.items()]
losses: list[float] = []
for _ in range(40):
    gradients = trainer.forward_backward(batch, "cross_entropy")
    update = trainer.optim_step(types.AdamParams(learning_rate=2e-3))
    losses.append(gradients.result().metrics["loss:sum"])
    update.result()
print("the loss fell below a hundredth:", losses[-1] < losses[0] / 100)

sampler = trainer.save_weights_and_get_sampling_client().result()
prompt = types.ModelInput.from_ints(tokenizer.encode(question("donut shop")).ids)
params = types.SamplingParams(max_tokens=40, temperature=0.0, stop=["\n"])
drawn = sampler.sample(prompt, 1, params).result()
print("donut shop:", tokenizer.decode(drawn.sequences[0].tokens).strip())

path = trainer.save_state("pig-latin").result().path
again = service.create_training_client_from_state_with_optimizer(path).result()
same = (
    again.forward(batch, "cross_entropy").result().metrics == trainer.forward(batch, "cross_entropy").result().metrics
)
print("a checkpoint brings back the same model:", same)
service.close("success").result()
