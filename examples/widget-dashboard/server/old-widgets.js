// The widgets as they have been.
export function oldWidgets(user) {
  return [
    { title: 'Cost this month', value: '$ 412' },
    { title: 'Requests today', value: '18,204' },
    { title: 'Signed in as', value: user },
  ];
}
