// Where figures come from: the service's answer to an address, and files of the data behind it.

export async function answerOf(address) {
  try {
    const response = await fetch(address);
    const answer = await response.json();
    return response.ok ? answer : { empty: answer.detail };
  } catch (error) {
    return { empty: `The service does not answer (${error.message}).` };
  }
}

export function fileOf({ source }, format) {
  const address = new URL(source, location.href);
  if (format !== "json") {
    address.searchParams.set("format", format);
    address.searchParams.delete("limit"); // of a page of JSON: a file has everything
  }
  return address;
}
