// What a reader has set on a page stands in its address, so that a link opens what they saw.

export const recalled = (name) => new URLSearchParams(location.search).getAll(name);

// The values of each key take the place of those that it had; none takes it out. A page that was
// opened from a file may not change its address.
export function remember(changes) {
  if (location.protocol === "file:") return;
  const address = new URL(location.href);
  for (const [key, values] of Object.entries(changes)) {
    address.searchParams.delete(key);
    [values].flat().forEach((value) => address.searchParams.append(key, value));
  }
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

// Sets a form's controls to what the address has of them.
export function restore(form) {
  for (const control of form.elements) {
    const values = recalled(control.name);
    if (!values.length) continue;
    if (control.type === "checkbox") control.checked = values.includes(control.value);
    else if ([...(control.options ?? [])].some((option) => option.value === values[0])) control.value = values[0];
  }
}
